#include "plan/plan_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/fd.h"
#include "plan/mapped_file.h"
#include "plan/plan.pb.h"
#include "plan/plan_fields.h"
#include "plan/plan_file_seal.h"

namespace corolla::plan {
namespace {

constexpr char kMagic[16] = "corolla-plan 1\n";
constexpr size_t kMagicKind = 13;  // the bytes before the version
constexpr uint64_t kPage = 4096;

struct Header {
  char magic[16];
  uint64_t description_bytes, description_hash;
  uint64_t weights_offset, weights_bytes, weights_hash;
  uint64_t header_hash;  // of what stands before
};

uint64_t hash_of(const Header& header) {
  return content_hash(std::as_bytes(std::span(&header, 1)).first(offsetof(Header, header_hash)));
}

uint64_t page_up(uint64_t n) { return (n + kPage - 1) / kPage * kPage; }

class Writer {
 public:
  explicit Writer(file::Step& step) : step_(step) {}
  void operator()(int64_t& v) { step_.add_integers(v); }
  void operator()(bool& v) { step_.add_integers(v ? 1 : 0); }
  void operator()(float& v) { step_.add_numbers(v); }
  void operator()(std::vector<int64_t>& v) {
    step_.add_integers(static_cast<int64_t>(v.size()));
    for (const int64_t i : v) step_.add_integers(i);
  }
  void operator()(std::vector<float>& v) {
    step_.add_integers(static_cast<int64_t>(v.size()));
    for (const float f : v) step_.add_numbers(f);
  }
  template <class E>
  void choice(E& v, E) {
    step_.add_integers(static_cast<int64_t>(v));
  }

 private:
  file::Step& step_;
};

// Anything missing, left over or out of range makes it bad, never a wild read.
class Reader {
 public:
  explicit Reader(const file::Step& step) : step_(step) {}
  bool good() const {
    return good_ && integer_ == step_.integers_size() && number_ == step_.numbers_size();
  }
  void operator()(int64_t& v) { v = integer(); }
  void operator()(bool& v) { v = integer() != 0; }
  void operator()(float& v) { v = number(); }
  void operator()(std::vector<int64_t>& v) {
    const int64_t n = count(step_.integers_size() - integer_ - 1);
    for (int64_t i = 0; i < n; ++i) v.push_back(integer());
  }
  void operator()(std::vector<float>& v) {
    const int64_t n = count(step_.numbers_size() - number_);
    for (int64_t i = 0; i < n; ++i) v.push_back(number());
  }
  template <class E>
  void choice(E& v, E last) {
    const int64_t i = integer();
    good_ = good_ && i >= 0 && i <= static_cast<int64_t>(last);
    if (good_) v = static_cast<E>(i);
  }

 private:
  int64_t integer() {
    good_ = good_ && integer_ < step_.integers_size();
    return good_ ? step_.integers(integer_++) : 0;
  }
  float number() {
    good_ = good_ && number_ < step_.numbers_size();
    return good_ ? step_.numbers(number_++) : 0;
  }
  int64_t count(int64_t most) {
    const int64_t n = integer();
    good_ = good_ && n >= 0 && n <= most;
    return good_ ? n : 0;
  }
  const file::Step& step_;
  int integer_ = 0, number_ = 0;
  bool good_ = true;
};

template <size_t... I>
std::optional<Operation> make_operation(size_t index, std::index_sequence<I...>) {
  std::optional<Operation> made;
  ((index == I ? void(made.emplace(std::in_place_index<I>)) : void()), ...);
  return made;
}

void to_proto(const PlanTensor& t, file::Tensor& out) {
  out.set_name(t.name);
  out.set_dtype(static_cast<int32_t>(t.dtype));
  out.set_layout(static_cast<int32_t>(t.layout));
  out.mutable_shape()->Add(t.shape.begin(), t.shape.end());
  out.set_place(static_cast<int32_t>(t.place));
  out.set_index(t.index);
  out.set_offset(t.offset);
  out.set_bytes(t.bytes);
  out.set_scale(t.scale);
  out.set_zero(t.zero);
}

void to_proto(const Step& s, file::Step& out) {
  out.set_name(s.name);
  out.set_op(static_cast<int32_t>(s.op()));
  out.mutable_inputs()->Add(s.inputs.begin(), s.inputs.end());
  out.mutable_outputs()->Add(s.outputs.begin(), s.outputs.end());
  Writer writer(out);
  Operation copy = s.operation;  // fields() takes what it visits as writable
  std::visit([&](auto& op) { fields(writer, op); }, copy);
  out.set_kernel(s.kernel);
  out.mutable_tuning()->Add(s.tuning.begin(), s.tuning.end());
  out.set_microseconds(s.microseconds);
}

void to_proto(const std::vector<Port>& ports, google::protobuf::RepeatedPtrField<file::Port>& out) {
  for (const Port& port : ports) {
    file::Port& p = *out.Add();
    p.set_name(port.name);
    p.set_dtype(static_cast<int32_t>(port.dtype));
    p.mutable_shape()->Add(port.shape.begin(), port.shape.end());
  }
}

file::Plan to_proto(const Plan& plan) {
  file::Plan out;
  out.set_model(plan.model);
  out.set_model_hash(plan.model_hash);
  out.set_precision(static_cast<int32_t>(plan.precision));
  file::Target& target = *out.mutable_target();
  target.set_engine(plan.target.engine);
  target.set_arch(plan.target.arch);
  target.set_device(plan.target.device);
  target.set_sm_count(plan.target.sm_count);
  target.set_memory_bytes(plan.target.memory_bytes);
  target.set_driver(plan.target.driver);
  target.set_walls(plan.target.walls);
  to_proto(plan.inputs, *out.mutable_inputs());
  to_proto(plan.outputs, *out.mutable_outputs());
  out.set_batched(plan.batched);
  for (const Program& program : plan.programs) {
    file::Program& p = *out.add_programs();
    p.set_batch(program.batch);
    for (const PlanTensor& tensor : program.tensors) to_proto(tensor, *p.add_tensors());
    for (const Step& step : program.steps) to_proto(step, *p.add_steps());
    p.set_arena_bytes(program.arena_bytes);
    p.set_arena_lower_bound(program.arena_lower_bound);
    p.set_workspace_bytes(program.workspace_bytes);
    p.set_microseconds(program.microseconds);
  }
  return out;
}

Error damaged(std::string what) {
  return {Code::kInvalidArgument, "the plan is damaged: " + std::move(what)};
}

Result<DType> dtype_of(int32_t number) {
  if (number < 0 || number > static_cast<int32_t>(DType::kBytes))
    return damaged("a type has number " + std::to_string(number));
  return static_cast<DType>(number);
}

Result<PlanTensor> from_proto(const file::Tensor& t) {
  PlanTensor out;
  out.name = t.name();
  ASSIGN_OR_RETURN(out.dtype, dtype_of(t.dtype()));
  if (t.layout() < 0 || t.layout() > 1 || t.place() < 0 || t.place() > 3)
    return damaged("tensor '" + t.name() + "' has no layout or place");
  out.layout = static_cast<Layout>(t.layout());
  out.shape.assign(t.shape().begin(), t.shape().end());
  out.place = static_cast<Place>(t.place());
  out.index = t.index();
  out.offset = t.offset();
  out.bytes = t.bytes();
  out.scale = t.scale();
  out.zero = t.zero();
  return out;
}

Result<Step> from_proto(const file::Step& s) {
  Step out;
  out.name = s.name();
  auto operation = s.op() < 0
                       ? std::nullopt
                       : make_operation(static_cast<size_t>(s.op()),
                                        std::make_index_sequence<std::variant_size_v<Operation>>());
  if (!operation) return damaged("step '" + s.name() + "' has operation " + std::to_string(s.op()));
  Reader reader(s);
  std::visit([&](auto& op) { fields(reader, op); }, *operation);
  if (!reader.good()) return damaged("step '" + s.name() + "' has other fields than it should");
  out.operation = std::move(*operation);
  out.inputs.assign(s.inputs().begin(), s.inputs().end());
  out.outputs.assign(s.outputs().begin(), s.outputs().end());
  out.kernel = s.kernel();
  out.tuning.assign(s.tuning().begin(), s.tuning().end());
  out.microseconds = s.microseconds();
  return out;
}

Result<std::vector<Port>> from_proto(const google::protobuf::RepeatedPtrField<file::Port>& ports) {
  std::vector<Port> out;
  for (const file::Port& p : ports) {
    ASSIGN_OR_RETURN(const DType dtype, dtype_of(p.dtype()));
    out.push_back({p.name(), dtype, Shape(p.shape().begin(), p.shape().end())});
  }
  return out;
}

Result<Plan> from_proto(const file::Plan& p) {
  Plan plan;
  plan.model = p.model();
  plan.model_hash = p.model_hash();
  ASSIGN_OR_RETURN(plan.precision, dtype_of(p.precision()));
  const file::Target& t = p.target();
  plan.target = {t.engine(),       t.arch(),   t.device(), t.sm_count(),
                 t.memory_bytes(), t.driver(), t.walls()};
  ASSIGN_OR_RETURN(plan.inputs, from_proto(p.inputs()));
  ASSIGN_OR_RETURN(plan.outputs, from_proto(p.outputs()));
  plan.batched = p.batched();
  for (const file::Program& from : p.programs()) {
    Program program;
    program.batch = from.batch();
    for (const file::Tensor& tensor : from.tensors()) {
      ASSIGN_OR_RETURN(PlanTensor made, from_proto(tensor));
      program.tensors.push_back(std::move(made));
    }
    for (const file::Step& step : from.steps()) {
      ASSIGN_OR_RETURN(Step made, from_proto(step));
      program.steps.push_back(std::move(made));
    }
    program.arena_bytes = from.arena_bytes();
    program.arena_lower_bound = from.arena_lower_bound();
    program.workspace_bytes = from.workspace_bytes();
    program.microseconds = from.microseconds();
    plan.programs.push_back(std::move(program));
  }
  return plan;
}

Status write_all(int fd, std::span<const std::byte> bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0)
      return Error{Code::kInternal, "writing " + path + " failed: " + std::strerror(errno)};
    bytes = bytes.subspan(static_cast<size_t>(n));
  }
  return ok();
}

}  // namespace

Status write_plan(const Plan& plan, const std::filesystem::path& path) {
  std::string description;
  CHECK(to_proto(plan).SerializeToString(&description));
  const auto described = std::as_bytes(std::span(description.data(), description.size()));
  Header header{};
  std::memcpy(header.magic, kMagic, sizeof kMagic);
  header.description_bytes = description.size();
  header.description_hash = content_hash(described);
  header.weights_offset = page_up(kPage + description.size());
  header.weights_bytes = plan.weights.size();
  header.weights_hash = content_hash(plan.weights);
  header.header_hash = hash_of(header);

  std::vector<std::byte> front(header.weights_offset);
  std::memcpy(front.data(), &header, sizeof header);
  std::memcpy(front.data() + kPage, description.data(), description.size());
  std::string temporary = path.string() + ".XXXXXX";
  Fd fd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd)
    return Error{Code::kInternal,
                 "the plan cannot be written to " + path.string() + ": " + std::strerror(errno)};
  Status written = write_all(fd.get(), front, temporary);
  if (written.ok()) written = write_all(fd.get(), plan.weights, temporary);
  if (written.ok() &&
      (::fchmod(fd.get(), 0644) != 0 || ::rename(temporary.c_str(), path.c_str()) != 0))
    written = Error{Code::kInternal, "renaming " + temporary + " to " + path.string() +
                                         " failed: " + std::strerror(errno)};
  if (!written.ok()) ::unlink(temporary.c_str());
  return written;
}

Result<Plan> parse_plan(std::span<const std::byte> file, std::shared_ptr<const void> owner,
                        bool check_weights) {
  Header header;
  if (file.size() < kPage) return damaged("it has " + std::to_string(file.size()) + " bytes");
  std::memcpy(&header, file.data(), sizeof header);
  if (std::memcmp(header.magic, kMagic, kMagicKind) != 0)
    return Error{Code::kInvalidArgument, "this is no plan"};
  if (std::memcmp(header.magic, kMagic, sizeof kMagic) != 0)
    return Error{Code::kInvalidArgument,
                 "the plan is of another version of Corolla; compile the model again"};
  if (header.header_hash != hash_of(header)) return damaged("its header's checksum is wrong");
  const uint64_t size = file.size();
  if (header.description_bytes > size - kPage || header.weights_offset > size ||
      header.weights_offset % kPage != 0 ||
      header.weights_offset < kPage + header.description_bytes ||
      header.weights_bytes != size - header.weights_offset)
    return damaged("it has " + std::to_string(size) + " bytes, and its parts need " +
                   std::to_string(header.weights_offset + header.weights_bytes));
  const auto described = file.subspan(kPage, header.description_bytes);
  if (content_hash(described) != header.description_hash)
    return damaged("its description's checksum is wrong");
  file::Plan proto;
  if (described.size() > INT32_MAX ||
      !proto.ParseFromArray(described.data(), static_cast<int>(described.size())))
    return damaged("its description cannot be read");
  ASSIGN_OR_RETURN(Plan plan, from_proto(proto));
  plan.weights = file.subspan(header.weights_offset, header.weights_bytes);
  plan.owner = std::move(owner);
  if (check_weights && content_hash(plan.weights) != header.weights_hash)
    return damaged("its weights' checksum is wrong");
  if (auto verified = verify(plan); !verified.ok()) return damaged(verified.error().what);
  return plan;
}

Result<Plan> read_plan(const std::filesystem::path& path) {
  ASSIGN_OR_RETURN(const auto file, MappedFile::open(path, "the plan"));
  auto plan = parse_plan(file->bytes(), file);
  if (plan.ok()) return plan;
  Error error = std::move(plan).error();
  error.what = path.string() + ": " + error.what;
  return error;
}

bool is_plan(const std::filesystem::path& path) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::array<char, kMagicKind> begin{};
  return fd &&
         ::pread(fd.get(), begin.data(), begin.size(), 0) == static_cast<ssize_t>(begin.size()) &&
         std::memcmp(begin.data(), kMagic, kMagicKind) == 0;
}

void seal_plan(std::span<std::byte> file) {
  if (file.size() < kPage) return;
  Header header;
  std::memcpy(&header, file.data(), sizeof header);
  std::memcpy(header.magic, kMagic, sizeof kMagic);
  const uint64_t room = file.size() - kPage;
  header.description_bytes = std::min(header.description_bytes, room);
  header.description_hash = content_hash(file.subspan(kPage, header.description_bytes));
  header.weights_offset = page_up(kPage + header.description_bytes);
  if (header.weights_offset <= file.size()) {
    header.weights_bytes = file.size() - header.weights_offset;
    header.weights_hash = content_hash(file.subspan(header.weights_offset));
  }
  header.header_hash = hash_of(header);
  std::memcpy(file.data(), &header, sizeof header);
}

}  // namespace corolla::plan
