// Package notify owns the delivery of alerts: to Alertmanager, PagerDuty, Slack, signed webhooks, mail and standard output.
//
// A [Dispatcher] takes revisions of incidents ([Dispatcher.Offer]), writes them to an outbox, and has a lane for each sink send
// them, one at a time. It never decides what is an incident or how severe it is.
//
// What keeps the program itself from seeing or telling is a [Trouble] ([Dispatcher.Tell]): an incident of its own that goes to the
// sinks alone, with class and cause unknown and an id that begins with blind_. A [Watch] says from a measure when one begins,
// gets worse and is over; what is measured is its caller's business.
//
// # Invariants
//
//   - Delivery is at least once. A revision is in the [Store], durable, before its first attempt, and leaves it when the
//     receiver took it or it became a dead letter. Every attempt carries the same key ([Notification.Key]), in every process.
//   - The alerts topic comes first, and is what a Dispatcher is fed from: the store keeps how far it was read ([Dispatcher.Reached],
//     [Dispatcher.From]), and the next process reads on from there. What was taken before is dropped.
//   - Of several instances one delivers, whose store is a [Topic] that the next takes over. One that does not know that it is none any more
//     writes where nobody reads, and asks before each attempt whether it is (Options.Fence): of what it had under way one repeat at most
//     is sent, under the same key. It goes on unasked where the answer cannot be had: a page told twice is better than one not told.
//   - Revisions of one incident reach one sink in order. One that fires and is followed by another is left out; a resolve never is.
//   - Whoever was told that an incident fires is told how it goes on, whatever routes say of its later class.
//   - A sink that fails, hangs or talks without end holds up neither another sink nor whoever offers. Retries are those of the
//     protocol and end in a dead letter, which is kept and can be retried.
//   - Nobody would notice that nobody is told: a trouble about a sink ([Dispatcher.SinkStates]) is told to the others, and a
//     trouble is told even before Start. No rate cap holds it back.
//   - Memory is bounded: beyond a rate of new incidents a sink gets a digest that counts and names what it held back.
//   - No secret reaches a log, an error or a reply that is shown. Secrets are read from their files at each use.
//   - Text that comes from rows means nothing to whatever shows it (inert), in a [Template] either: fields are escaped before it
//     puts them together, and its own text counts. A template ends soon whatever an alert holds: it has no loops but over an
//     alert's lists, two within each other, and no function that makes much of little. Where it fails, our own words are sent.
//
// # What follows from an answer
//
//	                       webhook   pagerduty  slack     alertmanager  smtp
//	2xx, as documented     done      done       done      done          done (250)
//	2xx, reports an error  done      retry      retry     retry
//	2xx, endless body      done      retry      retry     done          retry
//	3xx                    retry, and never followed
//	400                    retry     refused    refused   refused       refused (5xx to the mail)
//	404                    retry     refused    refused   retry
//	410                    gone      refused    refused   retry
//	429, 503               retry after what Retry-After asks for, at most 15 minutes
//	5xx                    retry     retry      retry     retry         retry (4xx)
//	no answer, no address  retry     retry      retry     retry         retry
//
// Refused makes a dead letter at once, gone also switches the sink off until a restart or a retry. The suite holds this table.
//
// # Adding a sink
//
//  1. Write one file with a type that has Send and Policy ([Sink]), Close if it keeps connections (io.Closer), and a constructor.
//     For HTTP take newClient: it refuses private addresses, follows no redirect and bounds replies. post masks the secrets that
//     it is given; a secret is a secretFile, read at each use. success and judge turn a reply into what follows; return a
//     [*Failure] (refusef) for what else no later attempt can mend. Keep Settings.words and put what people read through
//     titleOf(n, n.headline()) and bodyOf, or n.facts() where there is no template: all of them inert. Shorten with cut to what
//     the receiver takes, and marshal with jsonText.
//  2. Register it in [Kinds] with the keys of [Settings] that it needs and takes; a key that is new is a new field there.
//     Configuration, `config check`, `notify test`, outbox, routes, retries and metrics then know it. The README lists the kinds.
//  3. Add a stand to the table in conformance_test.go: settings that lead to a receiver on this machine, what the real one says
//     when it took a message, the key by which it drops repeats (keyless, and the whole message, if it drops none), what its
//     public documents allow, secrets, and where the table above is not that of usual. The suite then runs on it: delivery of
//     every shape of alert, the key, the table, hostile text, templates, secrets.
//
// # Concurrency
//
// A Dispatcher is safe for concurrent use. One goroutine a sink sends and one writes the store; both end with Close. A Sink's
// methods are called by its lane alone.
package notify
