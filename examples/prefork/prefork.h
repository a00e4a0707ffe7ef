// The script's side of prefork-interp's protocol, version 1, for programs in C++.
//
// A program prepares itself, calls InitialisationComplete() once, and goes on from there in each of
// its runs: a fork with the arguments, the environment and fds 0 to 2 of whoever asked for it.
#ifndef LINX_EXAMPLES_PREFORK_H_
#define LINX_EXAMPLES_PREFORK_H_

#include <syslog.h>

#include <chrono>
#include <string>
#include <vector>

namespace prefork {

struct Options {
  // How many runs there may be at a time; others wait. 0: any number.
  size_t max_servers = 4;
  // The server ends when there was no run for so long. 0: it waits for ever.
  std::chrono::milliseconds idle_timeout = std::chrono::hours(24 * 10);
  // When one of these files, or the program itself, or its script, has changed, the next run starts
  // the program afresh. One that is not there has not changed.
  std::vector<std::string> program_files;
  // For syslog(3), where the server says why it ended and what went wrong in it.
  int log_facility = LOG_USER;
};

// Ends the preparations of a program that was started as `argv[0] SCRIPT ARGUMENT ...`, and answers
// the arguments of the run. Where prefork-interp has not started the program, that is at once.
// Otherwise it never returns in the process that called it: that one exits with 0, or with 127
// after a message on stderr.
//
// Single-threaded programs only. In a run SIGINT has its default action, and what was buffered in
// stdio has been written before.
std::vector<std::string> InitialisationComplete(int argc, char** argv, const Options& options);

}  // namespace prefork

#endif  // LINX_EXAMPLES_PREFORK_H_
