package checkpoint

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
)

// mounted makes a file system of a size, where the machine lets it.
func mounted(t *testing.T, size string) string {
	t.Helper()
	path := t.TempDir()
	if err := syscall.Mount("tmpfs", path, "tmpfs", 0, "size="+size); err != nil {
		t.Skip("no file system can be mounted here: ", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(path, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return path
}

// Row 30 of the fault matrix: the disk is full.
func TestFault30DiskFull(t *testing.T) {
	path := mounted(t, "2m")
	d := openDir(t, path)
	var last *Checkpoint
	for n := range 3 {
		c := specimen(n)
		if _, err := d.Write(t.Context(), "shard-0", c); err != nil {
			if n == 0 || !errors.Is(err, syscall.ENOSPC) || strings.Contains(err.Error(), "\n") {
				t.Fatalf("checkpoint %d: %v", n, err)
			}
			break
		}
		last = c
	}
	if last == nil || last.Position == 2 {
		t.Fatal("the disk did not fill up")
	}
	got, skipped, err := openDir(t, path).Newest(t.Context(), "shard-0")
	if err != nil || len(skipped) > 0 || got.ID != last.ID {
		t.Errorf("%v, left out %v: %v", got, skipped, err)
	}
	if err := syscall.Mount("tmpfs", path, "tmpfs", syscall.MS_REMOUNT, "size=8m"); err != nil {
		t.Fatal(err)
	}
	c := specimen(9)
	if _, err := d.Write(t.Context(), "shard-0", c); err != nil {
		t.Error("with room again: ", err)
	}
}

// Row 30 of the fault matrix: the directory is read-only.
func TestFault30ReadOnly(t *testing.T) {
	path := mounted(t, "4m")
	d := openDir(t, path)
	c := specimen(1)
	if _, err := d.Write(t.Context(), "shard-0", c); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", path, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Write(t.Context(), "shard-0", specimen(2)); !errors.Is(err, syscall.EROFS) || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v", err)
	}
	got, skipped, err := openDir(t, path).Newest(t.Context(), "shard-0")
	if err != nil || len(skipped) > 0 || got.ID != c.ID {
		t.Errorf("%v, left out %v: %v", got, skipped, err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}
