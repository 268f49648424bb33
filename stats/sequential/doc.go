// Package sequential holds evidence that may be looked at after every sample: e-values, detectors that multiply
// them, the corrections for watching many streams at once (EBH, ELOND, EBudget), sums of evidence for lasting shifts (CUSUM, Leaky),
// and beliefs and likelihood ratios of counts.
//
// An e-value is a number ≥ 0 whose mean under the hypothesis "nothing changed" is at most 1, so that seeing a large one
// is rare: P(e ≥ a) ≤ 1/a. Products of conditional e-values are e-values, and means of e-values are, whatever their
// dependence. Everything that multiplies works in natural logarithms (nats).
//
// It never decides what a stream is, reads no clock and allocates nothing on the path of a sample.
//
// # Nominal against real
//
// The guarantees hold for a baseline that is right. TestNominalAgainstReal measures what is left of them (make nominal, seed 101;
// 200 to 1000 streams of 1000 samples): the rate of false alarms over the rate that the bound allows, where 1 is the bound itself.
// "As assumed" meets the assumptions: independent samples, a known baseline. Then the baseline is a mean that fades, with a
// half-life of 50 samples; then, besides, levels are log-normal (σ 1.2) and last five samples, as sessions do; last, samples are
// what public client traces (ServeGen) asked in the ten-minute spans in which they asked at all.
//
//	statistic                          bound                          assumed  estimated  sessions  real
//	EDetector, guard 1                 1 alarm in 1000 samples        0.28     0.09       6.1       7.5
//	EDetector, guard 2                                                0        0          0.52      0.86
//	EDetector, guard 3                                                0        0          0.077     0.17
//	Bet, guard 1                       1 run of 100 in 20 reaches 20  0.093    0.04       4.7       4.7
//	Bet, guard 3                                                      0        0          0.027     0.067
//	PoissonLR, twice the rate          1 run of 100 in 20 reaches 20  0.37     0.36       10        6.8
//	Gamma.LogE, tripled rate           1 run in 20 reaches 20         0.15     0.13       8.1       5.6
//	Gamma.Tail of ten samples          1 in 100 is below .01          0.77     0.93       25        18
//	CUSUM of counts, up, ratio 2       1 alarm in 1000 samples        0.18     0.28       70        41
//	CUSUM of counts, down, ratio 2                                    0.19     0.32       86        56
//	CUSUM of log amounts, up, shift 1                                 0.18     0.37       15        18
//	EBH, guard 1                       a tenth of the rejected        0        0          4.1       6.5
//	EBH, guard 3                                                      0        0          0         0.17
//	ELOND, guard 3                     a tenth of the rejected        0        0          0         0.1
//	EBudget of 1, guard 3              1 false one a family           0        0          0         0.14
//	extreme.SPOT, 500 to learn from    1 score in 1000                1.9      2          2.6       16
//	changepoint.Poisson at .9, × 2     1 in 10 miss the onset         0.35     1.3        9         6.9
//	changepoint.Poisson at .9, × 10                                   0        1          6.5       4.7
//
// Where it breaks, and why. An estimated baseline alone breaks nothing but the dates, at 50 samples. What breaks the rest is that
// samples hang together: for as long as a session lasts the conditional mean is not the baseline, and what assumes Poisson
// counts takes a busy hour for a change of rate. The further out the threshold, the worse: at a nominal 10⁶ samples between
// alarms EDetector had 528 times the alarms of the bound at guard 1, 6 times at guard 2, and kept it at guard 3. A correction for many
// streams (EBH, ELOND, EBudget) is as good as the e-values it is given. SPOT fits the tail to 500 scores of one client, and clients change.
//
// What is done about it. Guard 3 or more is what makes a volume's e-value honest, at the price of jumps below three times. The detector
// takes no nominal bound for a rate of false alarms: what single users do is weighed by evidence of that guard that leaks
// (Leaky's recursion), with thresholds set where a million innocent account-weeks say (make frontier, calibrate on a
// customer's own history), and only then given to EBudget; cohorts are judged by what is nearly deterministic, the price of a row,
// and by users rather than rows. An onset is dated by the rows that are wrong, not by an interval of volumes.
//
// Functions are safe for concurrent use. A value with methods belongs to one goroutine at a time.
package sequential
