// Command bench measures usher against its performance goals and prints one
// report: each goal with its figure or ratio, the interval of the figure, and a
// verdict.
//
//	make bench                         # from the root of the repository
//	make bench BENCHJSON=bench.json    # and for machines
//	make benchgate                     # the quick part that CI runs
//
// The figures come from benchmarks that stand beside what they measure, in every
// module. Their test binaries run by turns, several times each, so that what the
// machine does meanwhile meets all alike; a goal's figure is the median over the
// turns, and its interval that of the median at 95 %. Ratios are taken within
// one process, or between windows that lie side by side, never between runs; an
// A/A control, a thing measured against itself, shows what the machine makes of
// no difference. What others do (go-grpc-middleware with jwx, golang-jwt,
// x/oauth2's token source, the engines' own clients) is measured in the same run.
//
// A verdict is "met" or "missed" where the whole interval, widened by what the
// control is off, is on one side of the goal. Otherwise the run can't tell, and
// says so; but goals that are at the edge of what was ever seen count as met when
// a narrow interval includes them.
package main
