package incident

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Neutral makes text from outside safe to print: control characters (so ANSI sequences and forged lines),
// marks that change the direction of text, invisible characters and broken UTF-8 become visible escapes.
func Neutral(s string) string {
	clean := true
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || c >= 0x7f {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			writeEscape(&b, 'x', rune(s[i]))
		case unicode.IsGraphic(r) && !unicode.Is(unicode.Zl, r) && !unicode.Is(unicode.Zp, r) && !invisible(r):
			b.WriteString(s[i : i+n])
		case r < 0x100:
			writeEscape(&b, 'x', r)
		default:
			writeEscape(&b, 'u', r)
		}
		i += n
	}
	return b.String()
}

// invisible reports graphic characters that leave no mark: spaces other than the common one, fillers, and
// combining marks, which can be stacked over neighbouring lines.
func invisible(r rune) bool {
	return r != ' ' && unicode.Is(unicode.Zs, r) || r == '\u115f' || r == '\u1160' || r == '\u3164' || r == '\uffa0' || r == '\u034f' || unicode.Is(unicode.Me, r) || unicode.Is(unicode.Mn, r)
}

func writeEscape(b *strings.Builder, kind byte, r rune) {
	const hex = "0123456789abcdef"
	digits := 2
	if kind == 'u' {
		digits = 4
		if r > 0xffff {
			kind, digits = 'U', 8
		}
	}
	b.WriteByte('\\')
	b.WriteByte(kind)
	for shift := 4 * (digits - 1); shift >= 0; shift -= 4 {
		b.WriteByte(hex[r>>shift&15])
	}
}
