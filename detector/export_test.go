package detector

// SliceBytes sets about how much of a shard's state is written between two batches, and returns what it was.
func SliceBytes(n int) (was int) {
	was, sliceBytes = sliceBytes, n
	return was
}
