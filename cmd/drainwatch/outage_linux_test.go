package main

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// Row 29 of the fault matrix: the disk of a broker is full, which ends it. With room again, and started again, nothing is lost.
func TestFault29BrokerDiskFull(t *testing.T) {
	own := os.TempDir()
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=256m"); err != nil {
		t.Skip("no file system can be mounted here: ", err)
	}
	t.Cleanup(func() { // after the brokers have ended
		if err := syscall.Unmount(disk, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	t.Setenv("TMPDIR", disk)
	cluster := outageCluster(t, 1)
	t.Setenv("TMPDIR", own) // what is ours stays where it is
	o := startOutage(t, cluster)
	filler, err := os.Create(filepath.Join(disk, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = filler.Write(make([]byte, 4096))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	_ = filler.Close()
	o.signal(t, syscall.SIGCONT)
	await(t, "that the broker ends", func() bool {
		conn, err := net.DialTimeout("tcp", cluster.Brokers[0], time.Second)
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	})
	time.Sleep(*outageFor)
	if err := os.Remove(filler.Name()); err != nil {
		t.Fatal(err)
	}
	o.recover(t)
}
