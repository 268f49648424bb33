package notify

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

const maxSecretBytes = 16 << 10

// masked stands where a secret would.
const masked = "(masked)"

// secretFile is a file with a secret on each line. It is read anew at every use, so that a secret is rotated by writing the file.
type secretFile string

// lines returns what stands in the file, without blank lines and comments.
func (f secretFile) lines() ([]string, error) {
	file, err := os.Open(string(f))
	if err != nil {
		return nil, fmt.Errorf("read secret %s: %w; write it there, readable by this program only", string(f), errors.Unwrap(err))
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxSecretBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read secret %s: %w; name a readable file", string(f), errors.Unwrap(err))
	}
	if len(text) > maxSecretBytes {
		return nil, fmt.Errorf("read secret %s: larger than %d KiB; name the file that holds the secret only", string(f), maxSecretBytes>>10)
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		return nil, fmt.Errorf("read secret %s: is empty; write the secret there", string(f))
	}
	return lines, nil
}

// one returns the only line of the file.
func (f secretFile) one() (string, error) {
	lines, err := f.lines()
	if err != nil {
		return "", err
	}
	if len(lines) > 1 {
		return "", fmt.Errorf("read secret %s: holds %d lines where one belongs; keep one", string(f), len(lines))
	}
	return lines[0], nil
}

// maskAll hides secrets in a text that came from outside, such as a reply that echoes the request.
func maskAll(text string, secrets ...string) string {
	for _, s := range secrets {
		if len(s) >= 4 { // shorter ones are no secrets, and would tear words apart
			text = strings.ReplaceAll(text, s, masked)
		}
	}
	return text
}
