// Package notify will own the delivery of alerts to Alertmanager, PagerDuty, Slack and signed webhooks. It holds no code
// yet: alerts leave by the alerts topic, or the file that replay writes.
//
// What will hold: delivery is at least once, (incident, revision) is the idempotency key, a sink that fails never holds up
// another or the stream, and no secret reaches a log. It never decides what is an incident or how severe it is.
package notify
