//go:build !unix

package notify

import (
	"fmt"
	"os"
	"path/filepath"
)

// lockDir cannot keep a second process away on this system.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open outbox %s: %w", dir, err)
	}
	return f, nil
}
