package notify

import (
	"errors"
	"fmt"
	"io"
	"net/url"
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

// link returns the only line of the file, which has to be an address that may be reached. what says where one gets it.
func (f secretFile) link(allowPrivate bool, what string) (string, error) {
	link, err := f.one()
	if err != nil {
		return "", err
	}
	u, err := url.Parse(link)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http":
		return "", fmt.Errorf("read secret %s: is no web address; write %s", string(f), what)
	case !allowPrivate && (u.Scheme != "https" || PrivateHost(u.Hostname())):
		return "", fmt.Errorf("read secret %s: is not encrypted or leads to a private address; use https://, or set allow_private: true for a receiver inside your own network", string(f))
	}
	return link, nil
}

// linkSecrets returns what of an address no error may show: whoever knows it can send to it.
func linkSecrets(link string) []string {
	secrets := []string{link}
	if u, err := url.Parse(link); err == nil {
		secrets = append(secrets, strings.Trim(u.Path, "/"), u.RawQuery)
	}
	return secrets
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
