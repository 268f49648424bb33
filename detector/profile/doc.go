// Package profile owns what is known of each single user: rolling windows, the user's own past, who they look like
// (devices, networks, keys), and the evidence that stands against them.
//
// Evidence is gathered per active ten minutes, not per minute of the clock, and against a past that is merged a day late
// and held while evidence stands, so a jump does not teach itself; after a week of active days it is accepted, and said to be.
// A user costs Bytes bytes and the table holds at most MaxUsers; beyond that the one longest silent goes, counted.
//
// A Table belongs to the shard of its partition. It does no IO, reads no clock and takes nothing from other partitions.
//
// # The frontier
//
// What a drain of one user costs in false findings: make frontier, over 1.02 million account-weeks of each population of
// fixtures.Life, seed 101; the rules were tuned on seeds 2 and 3. A drain draws its factor times the user's mean active stretch,
// in nine stretches of ten, by day and night. Recall within 24 h, and the median of active stretches until then over all drains
// (- is fewer than half), by a threshold that this many innocent account-weeks in a million pass:
//
//	                        calm                           restless
//	false in a million      50        10        1          50        10        1
//	20x, known identity     .94  70   .91  89   .07   -    .33   -   .00   -   .00   -
//	10x, known identity     .50 135   .17   -   .00   -    .02   -   .00   -   .00   -
//	50x, known identity     .98  60   .97  76   .55 132    .70 119   .00   -   .00   -
//	20x, new identity      1.00   9  1.00  16  1.00  25    .98  21   .97  36   .91  73
//	10x, new identity       .99  13   .99  23   .98  36    .93  31   .88  55   .62 117
//	5x, new identity        .95  28   .92  52   .82  86    .75  72   .46   -   .04   -
//
// Not reachable by volume alone: a jump inside the user's own hours (0 found as set), five times, and anything among people as
// restless as that population. With thresholds as they are set 6 account-weeks in a million of the calm population are found by
// volume and 25 by identity. The rule for scripts says another 746, of which 623 are owners' own scripts: nothing but their size
// tells those from a theft, and the population starts 4,000 in a million account-weeks, half of them on an old key.
package profile
