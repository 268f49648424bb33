// Command drainwatch watches a stream of usage charges and tells metering bugs, client bugs, abuse and
// organic growth apart.
//
// The package owns the command line: one file a subcommand, the configuration file with its layers, and the
// translation of both into the Options of the packages that do the work. It holds no detection logic, and no
// other package imports it.
//
// Invariants: results go to standard output, everything else to standard error; an error is one line that says
// what failed, on what, and what to do; the exit status is 0 (done), 1 (failed while running), 2 (the command
// line or the configuration is wrong) or 3 (a bar was missed). File outputs appear whole or not at all.
//
// Concurrency: Execute may be called several times in one process, also at once; it keeps no global state. It
// returns only after everything it started has stopped.
//
// # Faults
//
// What happens to the program and what it reads, by the numbers of our fault matrix, and what shows that it bears it. Every row ends
// alike: what was charged is counted once to the last decimal, the same incidents under the same ids, nothing skipped silently.
// Tests without a package are of this one, others below detector; soak "…" is a step of make soak. TestFaultTable sees that all are there.
//
//	 1  an instance is killed                        TestKilled, TestShared, soak "kill": others go on from its checkpoint
//	 2  between a checkpoint's parts and manifest    checkpoint.TestKafkaTornUpload, checkpoint.TestDirAfterAnInterruptedWrite: the one before counts
//	 3  between a checkpoint and the group's offset  detector.TestSimulation, TestKilled: the checkpoint decides, offsets are advice
//	 4  between the outbox and sending               notify.TestKill: the next process sends
//	 5  between sending and the answer               notify.TestKill, notify.TestLostAnswers: sent again under the same key
//	 6  frozen beyond its session, then waked        TestShared, detector.TestSimulation, soak "freeze": what a zombie says is void
//	 7  the same while topics are compacted          checkpoint.TestKafka, soak "freeze" with an odd seed: the newest checkpoint stands
//	 8  one instance after the other is restarted    TestLife, soak "restart"
//	 9  an instance joins under load                 TestInstances, soak "grow"
//	10  more instances than partitions               TestShared, soak "grow": those that wait are ready
//	11  an instance comes and dies, again and again  soak "flap": rows are counted meanwhile
//	12  the leading broker is killed                 stream.TestFailover, soak "leader"
//	13  the group's coordinator is killed            soak "coordinator"
//	14  all brokers are away for minutes             TestFault14BrokersAway (make outage): not ready, at most 512 MB, and nothing lost; TestRunWithoutBrokers, TestBlindService
//	15  a broker freezes                             soak "broker frozen"
//	16  two of three brokers are away                TestFault16TwoOfThreeBrokersAway (make outage): no checkpoint goes on; soak "two brokers": nothing counts until they are back
//	17  the answer to a write is lost                soak "answers lost", detector.TestSimulation, detector.TestSimulationFindsBugs: written twice counts once
//	18  a slow link                                  soak "slow link": no storm of rebalances
//	19  connections that swallow everything          stream.TestFault19DeadLink, soak "dead link": given up after 10 s without an answer, all to that broker at once
//	20  one broker cannot be reached, others can     soak "one port", TestBlindness "one partition is read late": told as lag
//	21  rows come twice                              detector.TestEveryRecordIsCountedOnce, soak: one in twenty
//	22  rows come late and in disorder               detector.TestDisorderChangesNoVerdict, detector.TestLateRowsCorrectTheirTick, TestTravel
//	23  retention removes what was not read          TestRunRefusesCheckpoints "retention", stream.TestConformance "retention overtakes a reader": refused. TestAcceptedLossIsAnAlert, TestAcceptedLossOfState: what is accepted is an alert
//	24  the topic is made anew                       TestRunRefusesCheckpoints "made anew", TestRunRefusesLostState "made anew": refused
//	25  the topic ends before what was read          TestRunRefusesLostState "truncated", stream.TestConformance "an offset above the end is named": refused
//	26  checkpoints are deleted                      TestFault26CheckpointsDeleted: all is read again, and that is said
//	27  the topic gets more partitions               TestRunRefusesLostState "partitions", stream.TestConformance "partitions added are shared out": refused
//	28  garbage among the checkpoints                checkpoint.TestFault28GarbageInTopic: the newest sound one is taken
//	29  a broker's disk is full                      TestFault29BrokerDiskFull (make outage): the broker ends, and nothing is lost
//	30  our disk is full, or read-only               checkpoint.TestFault30DiskFails, checkpoint.TestFault30DiskFull, checkpoint.TestFault30ReadOnly
//	31  a checkpoint on disk is torn                 checkpoint.TestFault31TornSnapshot, TestKilled: the one before is taken
//	32  the clock jumps                              TestPulse: what is learned of silence bears it. Not with a process: only root can move the clock that Go reads, for all
//	33  too little processor                         soak "starved": a tenth of a core for eight seconds
//	34  out of memory                                TestFault34OutOfMemory: the process dies, and the next goes on from its checkpoint
//	35  a record that cannot be decoded              TestRun, TestTopicSinkDeadLetterFlood, soak: one in twenty. A dead letter that names its place
//	36  a backlog is caught up with                  TestLife, notify.TestStorm, notify.TestRateCap: event time in alerts, and no storm
//	37  most rows are one user's                     stream.TestConformance "a partition that waits holds no other up". Ticks wait for the slowest: detector.TestPass
//	38  a login is refused                           stream.TestConformance "passwords": said, and the end. Not while connected: Kafka asks again at the next connection only
//	39  a certificate is foreign                     stream.TestConformance "certificates": files are read at each handshake. Not: one that expires while we wait
//	40  a receiver of alerts fails                   notify.TestRetriesFollowThePolicyAndEnd, notify.TestBreaker, notify.TestRetryAfter, notify.TestGoneAndRetry
//	41  old and new program side by side             soak "restart" with -soak-old; checkpoint.TestDirSaysLayouts, detector.TestRestoreRefuses: other layouts are refused
//	42  brokers are upgraded one by one              soak "upgrade": 3.9 to 4.1 on the same data
//	43  producers abort transactions                 stream.TestConformance "aborted records and markers are not rows", stream.TestTxnFilter
package main
