#include "slice/mig_journal.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>

#include "base/fd.h"

namespace corolla::slice {
namespace {

constexpr std::string_view kFirstLine = "corolla-mig-journal 1\n";

uint64_t checksum(std::string_view text) {  // FNV-1a
  uint64_t hash = 14695981039346656037ull;
  for (const unsigned char c : text) hash = (hash ^ c) * 1099511628211ull;
  return hash;
}

// "19:0:1:1" is profile 19 at memory slice 0, one slice long, with a compute instance of 1;
// "9:4:4:2,1" has two.
std::string state_text(const MigState& state) {
  std::string text = state.mig ? "on" : "off";
  for (const Placement& placement : state.layout) {
    text += " " + std::to_string(placement.profile_id) + ":" +
            std::to_string(placement.extent.start) + ":" + std::to_string(placement.extent.size) +
            ":";
    for (size_t i = 0; i < placement.compute.size(); ++i)
      text += (i ? "," : "") + std::to_string(placement.compute[i]);
  }
  return text;
}

bool read_number(std::string_view& text, uint32_t& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc()) return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return true;
}

bool read_char(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

std::optional<MigState> parse_state(std::string_view text) {
  MigState state;
  const size_t word = std::min(text.find(' '), text.size());
  if (text.substr(0, word) != "on" && text.substr(0, word) != "off") return std::nullopt;
  state.mig = text.substr(0, word) == "on";
  text.remove_prefix(word);
  while (read_char(text, ' ')) {
    Placement placement;
    if (!read_number(text, placement.profile_id) || !read_char(text, ':') ||
        !read_number(text, placement.extent.start) || !read_char(text, ':') ||
        !read_number(text, placement.extent.size) || !read_char(text, ':'))
      return std::nullopt;
    uint32_t slices = 0;
    while (read_number(text, slices)) {
      placement.compute.push_back(slices);
      if (!read_char(text, ',')) break;
    }
    state.layout.push_back(std::move(placement));
  }
  if (!text.empty()) return std::nullopt;
  return state;
}

Error failed(const std::string& what, const std::string& path) {
  const Code code =
      errno == EACCES || errno == EPERM || errno == EROFS ? Code::kPermission : Code::kInternal;
  return {code, "cannot " + what + " " + path + ": " + std::strerror(errno)};
}

}  // namespace

std::string boot_id() {
  std::string id;
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::getline(file, id);
  return id;
}

std::string journal_text(const MigJournal& journal) {
  std::string text(kFirstLine);
  text += "boot " + journal.boot + "\n";
  for (const MigJournal::Entry& entry : journal.entries) {
    text += "gpu " + entry.gpu + "\n";
    text += "before " + state_text(entry.before) + "\n";
    text += "after " + state_text(entry.after) + "\n";
  }
  return text + "end " + std::to_string(checksum(text)) + "\n";
}

std::optional<MigJournal> parse_journal(std::string_view text) {
  if (!text.starts_with(kFirstLine) || !text.ends_with('\n')) return std::nullopt;
  const size_t last = text.rfind("\nend ");
  if (last == std::string_view::npos) return std::nullopt;
  const std::string_view body = text.substr(0, last + 1);
  if (text.substr(last + 1) != "end " + std::to_string(checksum(body)) + "\n") return std::nullopt;
  MigJournal journal;
  std::string_view rest = body.substr(kFirstLine.size());
  while (!rest.empty()) {
    const size_t end = rest.find('\n');
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end + 1);
    const size_t space = line.find(' ');
    if (space == std::string_view::npos) return std::nullopt;
    const std::string_view key = line.substr(0, space), value = line.substr(space + 1);
    if (key == "boot") {
      journal.boot = value;
    } else if (key == "gpu") {
      journal.entries.push_back({std::string(value), {}, {}});
    } else if (key == "before" || key == "after") {
      auto state = parse_state(value);
      if (!state || journal.entries.empty()) return std::nullopt;
      (key == "before" ? journal.entries.back().before : journal.entries.back().after) =
          *std::move(state);
    } else {
      return std::nullopt;
    }
  }
  return journal;
}

Status write_journal(const std::string& path, const MigJournal& journal) {
  const std::string text = journal_text(journal), beside = path + ".new";
  const Fd file(::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!file) return failed("write", beside);
  for (size_t done = 0; done < text.size();) {
    const ssize_t wrote = ::write(file.get(), text.data() + done, text.size() - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return failed("write", beside);
    done += static_cast<size_t>(wrote);
  }
  if (::fsync(file.get()) != 0) return failed("write", beside);
  if (::rename(beside.c_str(), path.c_str()) != 0) return failed("write", path);
  const std::string folder = path.substr(0, path.rfind('/') + 1);
  const Fd directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory) ::fsync(directory.get());
  return ok();
}

Result<std::optional<MigJournal>> read_journal(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    if (errno == ENOENT || errno == ENOTDIR) return std::optional<MigJournal>();
    return failed("read", path);
  }
  const std::string text(std::istreambuf_iterator<char>(file), {});
  auto journal = parse_journal(text);
  if (!journal)
    return Error{Code::kInternal,
                 path +
                     ", the journal of an apply that ended half-way, is damaged; compare "
                     "'corolla slices list' with what you want, remove the file, and apply "
                     "again; nothing was changed"};
  return journal;
}

Status remove_journal(const std::string& path) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return failed("remove", path);
  return ok();
}

}  // namespace corolla::slice
