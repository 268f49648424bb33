package detector

import (
	"crypto/sha256"
	"encoding/hex"
)

// Part is a piece of an owner's state: what is kept and read back as one.
type Part struct {
	Name  string
	Hash  string // SHA-256 of the content, in hex
	Size  int64
	Bytes []byte // the content; nil where it is what was kept before
}

// NewPart returns the part of a content.
func NewPart(name string, content []byte) Part {
	s := sha256.Sum256(content)
	if content == nil {
		content = []byte{}
	}
	return Part{Name: name, Hash: hex.EncodeToString(s[:]), Size: int64(len(content)), Bytes: content}
}
