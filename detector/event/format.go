package event

import "strings"

// foreign names the format of a record that is well-formed JSON but not native, or returns nothing where it
// cannot tell. It is asked only about records that failed as native ones, so good rows do not pay for it. A
// record with `credits` is a native one with a fault: no other known format has that field at the top.
func foreign(line string) string {
	if len(line) > MaxRecord {
		return ""
	}
	p := scanner{s: line}
	p.space()
	if p.peek() != '{' {
		return ""
	}
	p.i++
	p.space()
	var m markers
	for p.peek() == '"' {
		key, _, err := p.key()
		if err != nil {
			return ""
		}
		start := p.i
		if p.skip() != nil {
			return ""
		}
		m.note(key, line[start:p.i])
		p.space()
		if p.peek() == ',' {
			p.i++
			p.space()
		} else if p.peek() != '}' {
			return ""
		}
	}
	p.i++
	p.space()
	if p.i != len(line) {
		return ""
	}
	return m.format()
}

// markers are the signs of other formats at the top level of a record.
type markers struct {
	native, cloudEvent, otel, spend, startTime, openAI, anthropic bool
}

func (m *markers) note(key, value string) {
	switch key {
	case "credits":
		m.native = true
	case "specversion":
		m.cloudEvent = true
	case "resourceSpans", "resourceLogs", "resourceMetrics", "scopeSpans":
		m.otel = true
	case "attributes":
		m.otel = m.otel || strings.Contains(value, `"gen_ai.`)
	case "spend":
		m.spend = true
	case "startTime":
		m.startTime = true
	case "usage":
		if value[0] == '{' {
			m.openAI = m.openAI || strings.Contains(value, `"prompt_tokens"`) || strings.Contains(value, `"total_tokens"`)
			m.anthropic = m.anthropic || strings.Contains(value, `"input_tokens"`)
		}
	default:
		m.otel = m.otel || strings.HasPrefix(key, "gen_ai.")
	}
}

// format decides, the most telling sign first: an envelope may carry any of the others inside. The total in a usage
// object tells OpenAI's Responses, which also counts input_tokens, from Anthropic's Messages.
func (m *markers) format() string {
	switch {
	case m.native:
		return ""
	case m.cloudEvent:
		return "cloudevents"
	case m.otel:
		return "otel"
	case m.spend && m.startTime:
		return "litellm"
	case m.openAI:
		return "openai"
	case m.anthropic:
		return "anthropic"
	}
	return ""
}
