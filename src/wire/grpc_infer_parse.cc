#include "wire/grpc_infer_parse.h"

#include <optional>
#include <string>

#include "wire/grpc_fields.h"

namespace corolla::wire {
namespace {

// An InferParameter.
struct Parameter {
  std::string_view key;
  size_t offset = 0;
  enum class Kind { kNone, kBool, kInt, kText, kDouble, kUint } kind = Kind::kNone;
  uint64_t number = 0;  // kInt: two's complement
  std::string_view text;
};

void read_value(FieldReader& in, Parameter& p) {
  while (in.next()) {
    switch (in.field()) {
      case 1:
        p.number = in.varint("bool_param") != 0;
        p.kind = Parameter::Kind::kBool;
        break;
      case 2:
        p.number = in.varint("int64_param");
        p.kind = Parameter::Kind::kInt;
        break;
      case 3:
        p.text = in.text("string_param");
        p.kind = Parameter::Kind::kText;
        break;
      case 4:
        in.fixed64("double_param");
        p.kind = Parameter::Kind::kDouble;
        break;
      case 5:
        p.number = in.varint("uint64_param");
        p.kind = Parameter::Kind::kUint;
        break;
      default:
        in.skip();
    }
  }
}

// One entry of a `parameters` map, with `in` on its field.
Parameter read_parameter(FieldReader& in, const std::string& message) {
  Parameter p;
  p.offset = in.offset();
  const std::string_view entry = in.bytes("parameters");
  if (in.failed()) return p;
  FieldReader fields(entry, in.value_offset(), message);
  while (fields.next()) {
    if (fields.field() == 1) {
      p.key = fields.text("parameters.key");
    } else if (fields.field() == 2) {
      const std::string_view value = fields.bytes("parameters.value");
      if (fields.failed()) break;
      FieldReader values(value, fields.value_offset(), message);
      read_value(values, p);
      if (values.failed()) fields.fail(values.error());
    } else {
      fields.skip();
    }
  }
  if (fields.failed()) in.fail(fields.error());
  return p;
}

Error parameter_error(const std::string& message, const Parameter& p, std::string_view problem) {
  return field_error(message, "parameters[\"" + std::string(p.key.substr(0, 128)) + "\"]", p.offset,
                     problem);
}

// A number that may not be negative, whichever integer kind the client chose.
Result<uint64_t> whole_number(const std::string& message, const Parameter& p) {
  if (p.kind == Parameter::Kind::kUint) return p.number;
  if (p.kind != Parameter::Kind::kInt)
    return parameter_error(message, p, "must be int64_param or uint64_param");
  if (static_cast<int64_t>(p.number) < 0)
    return parameter_error(
        message, p,
        "is " + std::to_string(static_cast<int64_t>(p.number)) + "; it may not be negative");
  return p.number;
}

// Shared-memory parameters of one tensor, gathered until the tensor ends.
struct ShmParameters {
  ShmPlace place;
  bool region = false, offset = false, bytes = false;

  // True: the parameter was one of ours.
  Result<bool> take(const std::string& message, const Parameter& p) {
    bool* seen = p.key == "shared_memory_region"      ? &region
                 : p.key == "shared_memory_offset"    ? &offset
                 : p.key == "shared_memory_byte_size" ? &bytes
                                                      : nullptr;
    if (!seen) return false;
    if (*seen) return parameter_error(message, p, "is given twice");
    *seen = true;
    if (seen == &region) {
      if (p.kind != Parameter::Kind::kText)
        return parameter_error(message, p, "must be string_param");
      place.region = p.text;
      return true;
    }
    ASSIGN_OR_RETURN(const uint64_t number, whole_number(message, p));
    (seen == &offset ? place.offset : place.bytes) = number;
    return true;
  }

  Result<std::optional<ShmPlace>> finish(const std::string& message, size_t at) const {
    if (!region && !offset && !bytes) return std::optional<ShmPlace>();
    if (!region || place.region.empty())
      return field_error(
          message, "parameters", at,
          "shared_memory_offset or shared_memory_byte_size without a shared_memory_region");
    if (!bytes)
      return field_error(message, "parameters", at,
                         "shared_memory_region without a shared_memory_byte_size");
    return std::optional<ShmPlace>(place);
  }
};

// A text field that may come once.
void read_once(FieldReader& in, std::string_view name, bool& seen, std::string& to) {
  if (seen) return in.fail(name, "is given twice");
  seen = true;
  to = in.text(name);
}

void read_shape(FieldReader& in, size_t max_rank, std::vector<int64_t>& shape) {
  const auto add = [&](uint64_t dimension) {
    if (shape.size() == max_rank) {
      in.fail("shape", "more than " + std::to_string(max_rank) + " dimensions");
    } else {
      shape.push_back(static_cast<int64_t>(dimension));
    }
  };
  if (in.type() == WireType::kVarint) {
    const uint64_t dimension = in.varint("shape");
    if (!in.failed()) add(dimension);
    return;
  }
  std::string_view packed = in.bytes("shape");
  if (shape.empty() && !packed.empty()) shape.reserve(std::min(packed.size(), max_rank));
  while (!packed.empty() && !in.failed()) {
    const Varint v = read_varint(packed);
    if (v.length == 0 || v.length == Varint::kBad)
      return in.fail("shape",
                     v.length == 0 ? "the list ends inside a varint" : "a varint is over 64 bits");
    packed.remove_prefix(v.length);
    add(v.value);
  }
}

class HeadParser {
 public:
  HeadParser(size_t raw_count, const GrpcInferLimits& limits)
      : raw_count_(raw_count), limits_(limits) {}

  Status segment(const MessageSegment& segment) {
    FieldReader in(segment.bytes, segment.offset, "ModelInferRequest");
    while (in.next()) {
      Status status = ok();
      switch (in.field()) {
        case 1:
          read_once(in, "model_name", seen_model_, head_.request.model);
          break;
        case 2:
          read_once(in, "model_version", seen_version_, head_.request.version);
          break;
        case 3:
          read_once(in, "id", seen_id_, head_.request.id);
          break;
        case 4: {
          const Parameter p = read_parameter(in, "ModelInferRequest");
          if (!in.failed()) status = parameter(p);
          break;
        }
        case 5:
          status = input(in);
          break;
        case 6:
          status = output(in);
          break;
        default:
          in.skip();
      }
      RETURN_IF_ERROR(std::move(status));
    }
    if (in.failed()) return in.error();
    return ok();
  }

  Result<InferHead> finish() {
    if (raw_count_ > 0 && head_.raw_inputs.size() != raw_count_)
      return Error{Code::kInvalidArgument,
                   "ModelInferRequest.raw_input_contents has " + std::to_string(raw_count_) +
                       " entries for " + std::to_string(head_.raw_inputs.size()) +
                       " inputs outside shared memory: there must be one for each"};
    return std::move(head_);
  }

 private:
  Status parameter(const Parameter& p) {
    static const std::string kMessage = "ModelInferRequest";
    InferRequest& r = head_.request;
    const auto once = [&](bool& seen) -> Status {
      if (seen) return parameter_error(kMessage, p, "is given twice");
      seen = true;
      return ok();
    };
    if (p.key == "sequence_id") {
      RETURN_IF_ERROR(once(seen_sequence_));
      if (p.kind == Parameter::Kind::kText) {
        r.sequence |= !p.text.empty();
      } else {
        if (p.kind != Parameter::Kind::kInt && p.kind != Parameter::Kind::kUint)
          return parameter_error(kMessage, p, "must be an integer or string_param");
        r.sequence |= p.number != 0;
      }
    } else if (p.key == "sequence_start" || p.key == "sequence_end") {
      if (p.kind != Parameter::Kind::kBool)
        return parameter_error(kMessage, p, "must be bool_param");
      r.sequence |= p.number != 0;
    } else if (p.key == "priority") {
      RETURN_IF_ERROR(once(seen_priority_));
      ASSIGN_OR_RETURN(r.priority, whole_number(kMessage, p));
    } else if (p.key == "timeout") {
      RETURN_IF_ERROR(once(seen_timeout_));
      ASSIGN_OR_RETURN(r.timeout_us, whole_number(kMessage, p));
    } else if (p.key == "triton_enable_empty_final_response") {
      if (p.kind != Parameter::Kind::kBool)
        return parameter_error(kMessage, p, "must be bool_param");
      r.empty_final_response = p.number != 0;
    } else if (p.key.starts_with("triton_")) {
      return parameter_error(
          kMessage, p, "names that begin with 'triton_' are reserved, and this one is unknown");
    }
    return ok();
  }

  Status input(FieldReader& top) {
    const std::string message =
        "ModelInferRequest.inputs[" + std::to_string(head_.request.inputs.size()) + "]";
    const size_t at = top.offset();
    const std::string_view bytes = top.bytes("inputs");
    if (top.failed()) return top.error();
    if (head_.request.inputs.size() == limits_.tensors) return too_many("inputs");
    InputTensor tensor;
    TypedContents typed{.bytes = {}, .offset = 0, .message = message + ".contents"};
    ShmParameters shm;
    std::string datatype;
    bool seen_name = false, seen_datatype = false, seen_contents = false;
    FieldReader in(bytes, top.value_offset(), message);
    while (in.next()) {
      switch (in.field()) {
        case 1:
          read_once(in, "name", seen_name, tensor.name);
          break;
        case 2:
          read_once(in, "datatype", seen_datatype, datatype);
          break;
        case 3:
          read_shape(in, limits_.rank, tensor.shape);
          break;
        case 4: {
          const Parameter p = read_parameter(in, message);
          if (in.failed()) break;
          ASSIGN_OR_RETURN([[maybe_unused]] const bool taken, shm.take(message, p));
          break;
        }
        case 5:
          if (seen_contents) {
            in.fail("contents", "is given twice");
          } else {
            seen_contents = true;
            typed.bytes = in.bytes("contents");
            typed.offset = in.value_offset();
          }
          break;
        default:
          in.skip();
      }
    }
    if (in.failed()) return in.error();
    if (tensor.name.empty()) return field_error(message, "name", at, "is missing");
    const std::optional<DType> dtype = dtype_from_name(datatype);
    if (!dtype)
      return field_error(message, "datatype", at,
                         datatype.empty()
                             ? "is missing"
                             : "'" + datatype.substr(0, 64) + "' is no datatype of the protocol");
    tensor.dtype = *dtype;
    ASSIGN_OR_RETURN(tensor.shm, shm.finish(message, at));
    if (!typed.bytes.empty() && tensor.shm)
      return field_error(message, "contents", typed.offset,
                         "the input lies in shared memory and may not have contents too");
    if (!typed.bytes.empty() && raw_count_ > 0)
      return field_error(message, "contents", typed.offset,
                         "contents may not be mixed with raw_input_contents");
    if (raw_count_ > 0 && !tensor.shm) head_.raw_inputs.push_back(head_.request.inputs.size());
    head_.request.inputs.push_back(std::move(tensor));
    head_.typed.push_back(std::move(typed));
    return ok();
  }

  Status output(FieldReader& top) {
    const std::string message =
        "ModelInferRequest.outputs[" + std::to_string(head_.request.outputs.size()) + "]";
    const size_t at = top.offset();
    const std::string_view bytes = top.bytes("outputs");
    if (top.failed()) return top.error();
    if (head_.request.outputs.size() == limits_.tensors) return too_many("outputs");
    WantedOutput output;
    ShmParameters shm;
    bool seen_name = false;
    FieldReader in(bytes, top.value_offset(), message);
    while (in.next()) {
      if (in.field() == 1) {
        read_once(in, "name", seen_name, output.name);
      } else if (in.field() == 2) {
        const Parameter p = read_parameter(in, message);
        if (in.failed()) break;
        ASSIGN_OR_RETURN(const bool taken, shm.take(message, p));
        if (taken || p.key != "classification") continue;
        ASSIGN_OR_RETURN(const uint64_t count, whole_number(message, p));
        if (count > UINT32_MAX)
          return parameter_error(message, p, "is " + std::to_string(count) + ", over 32 bits");
        output.class_count = static_cast<uint32_t>(count);
      } else {
        in.skip();
      }
    }
    if (in.failed()) return in.error();
    if (output.name.empty()) return field_error(message, "name", at, "is missing");
    ASSIGN_OR_RETURN(output.shm, shm.finish(message, at));
    head_.request.outputs.push_back(std::move(output));
    return ok();
  }

  Error too_many(std::string_view what) const {
    return {Code::kTooLarge, "ModelInferRequest has more than " + std::to_string(limits_.tensors) +
                                 " " + std::string(what)};
  }

  const size_t raw_count_;
  const GrpcInferLimits& limits_;
  InferHead head_;
  bool seen_model_ = false, seen_version_ = false, seen_id_ = false;
  bool seen_sequence_ = false, seen_priority_ = false, seen_timeout_ = false;
};

}  // namespace

Result<InferHead> parse_infer_head(std::span<const MessageSegment> segments, size_t raw_count,
                                   const GrpcInferLimits& limits) {
  HeadParser parser(raw_count, limits);
  for (const MessageSegment& segment : segments) RETURN_IF_ERROR(parser.segment(segment));
  return parser.finish();
}

}  // namespace corolla::wire
