#include "engine_program.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

extern char** environ;

namespace corolla::app {

Result<std::string> program_beside(const std::string& name) {
  std::error_code failed;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", failed);
  const std::string path = (self.parent_path() / name).string();
  if (failed || ::access(path.c_str(), X_OK) != 0)
    return Error{Code::kNotFound, "this build of Corolla has no " + name + " (looked in " +
                                      self.parent_path().string() + ")"};
  return path;
}

Status run_program_beside(const std::string& name, const std::vector<std::string>& arguments,
                          bool quiet) {
  ASSIGN_OR_RETURN(std::string path, program_beside(name));
  std::vector<std::string> words = arguments;
  std::vector<char*> argv = {path.data()};
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t files;
  ::posix_spawn_file_actions_init(&files);
  if (quiet) ::posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t pid = 0;
  const int error = ::posix_spawn(&pid, path.c_str(), &files, nullptr, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&files);
  if (error != 0)
    return Error{Code::kInternal, path + " cannot be started: " + std::strerror(error)};
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return ok();
  return Error{
      Code::kInternal,
      name + (WIFSIGNALED(status) ? " was killed by signal " + std::to_string(WTERMSIG(status))
                                  : " ended with " + std::to_string(WEXITSTATUS(status)))};
}

}  // namespace corolla::app
