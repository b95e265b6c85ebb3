#include "wire/proto_json.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <map>
#include <vector>

#include "wire/json_text.h"

namespace corolla::wire {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

class Printer {
 public:
  explicit Printer(Defaults defaults) : defaults_(defaults) {}

  void message(const Message& m) {
    const Reflection& r = *m.GetReflection();
    const auto* type = m.GetDescriptor();
    out += '{';
    bool first = true;
    for (int i = 0; i < type->field_count(); ++i) {
      const FieldDescriptor& f = *type->field(i);
      if (!shown(m, r, f)) continue;
      if (!first) out += ',';
      first = false;
      append_json_string(out, f.name());
      out += ':';
      if (f.is_map())
        map(m, r, f);
      else if (f.is_repeated())
        list(m, r, f);
      else
        value(m, r, f, -1);
    }
    out += '}';
  }

  std::string out;

 private:
  bool shown(const Message& m, const Reflection& r, const FieldDescriptor& f) const {
    if (f.is_repeated()) return defaults_ == Defaults::kPrint || r.FieldSize(m, &f) > 0;
    if (defaults_ == Defaults::kOmit || f.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE ||
        f.real_containing_oneof() != nullptr)
      return r.HasField(m, &f);
    return true;
  }

  void list(const Message& m, const Reflection& r, const FieldDescriptor& f) {
    out += '[';
    for (int i = 0; i < r.FieldSize(m, &f); ++i) {
      if (i) out += ',';
      value(m, r, f, i);
    }
    out += ']';
  }

  void map(const Message& m, const Reflection& r, const FieldDescriptor& f) {
    const FieldDescriptor& key = *f.message_type()->map_key();
    const FieldDescriptor& content = *f.message_type()->map_value();
    std::map<std::string, const Message*> sorted;
    for (int i = 0; i < r.FieldSize(m, &f); ++i) {
      const Message& entry = r.GetRepeatedMessage(m, &f, i);
      Printer name(defaults_);
      name.value(entry, *entry.GetReflection(), key, -1);
      sorted[name.out.starts_with('"') ? name.out : '"' + name.out + '"'] = &entry;
    }
    out += '{';
    bool first = true;
    for (const auto& [name, entry] : sorted) {
      if (!first) out += ',';
      first = false;
      out += name;
      out += ':';
      value(*entry, *entry->GetReflection(), content, -1);
    }
    out += '}';
  }

  // `index` -1: a singular field.
  void value(const Message& m, const Reflection& r, const FieldDescriptor& f, int index) {
    bool one = index < 0;
    switch (f.cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32:
        append_json_number(out, one ? r.GetInt32(m, &f) : r.GetRepeatedInt32(m, &f, index));
        break;
      case FieldDescriptor::CPPTYPE_INT64:
        append_json_number(out, one ? r.GetInt64(m, &f) : r.GetRepeatedInt64(m, &f, index));
        break;
      case FieldDescriptor::CPPTYPE_UINT32:
        append_json_number(out, one ? r.GetUInt32(m, &f) : r.GetRepeatedUInt32(m, &f, index));
        break;
      case FieldDescriptor::CPPTYPE_UINT64:
        append_json_number(out, one ? r.GetUInt64(m, &f) : r.GetRepeatedUInt64(m, &f, index));
        break;
      case FieldDescriptor::CPPTYPE_DOUBLE:
        append_json_number(out, one ? r.GetDouble(m, &f) : r.GetRepeatedDouble(m, &f, index));
        break;
      case FieldDescriptor::CPPTYPE_FLOAT:
        append_json_number(out, one ? r.GetFloat(m, &f) : r.GetRepeatedFloat(m, &f, index));
        break;
      case FieldDescriptor::CPPTYPE_BOOL:
        out += (one ? r.GetBool(m, &f) : r.GetRepeatedBool(m, &f, index)) ? "true" : "false";
        break;
      case FieldDescriptor::CPPTYPE_ENUM: {
        int number = one ? r.GetEnumValue(m, &f) : r.GetRepeatedEnumValue(m, &f, index);
        const auto* name = f.enum_type()->FindValueByNumber(number);
        if (name != nullptr)
          append_json_string(out, name->name());
        else
          append_json_number(out, number);
        break;
      }
      case FieldDescriptor::CPPTYPE_STRING: {
        std::string scratch;
        const std::string& text = one ? r.GetStringReference(m, &f, &scratch)
                                      : r.GetRepeatedStringReference(m, &f, index, &scratch);
        append_json_string(out, is_utf8(text) ? text : to_utf8(text));
        break;
      }
      case FieldDescriptor::CPPTYPE_MESSAGE:
        message(one ? r.GetMessage(m, &f) : r.GetRepeatedMessage(m, &f, index));
        break;
    }
  }

  Defaults defaults_;
};

}  // namespace

std::string to_json(const Message& message, Defaults defaults) {
  Printer printer(defaults);
  printer.message(message);
  return std::move(printer.out);
}

bool strings_are_utf8(const Message& m) {
  const Reflection& r = *m.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  r.ListFields(m, &fields);
  for (const FieldDescriptor* f : fields) {
    int n = f->is_repeated() ? r.FieldSize(m, f) : 1;
    for (int i = 0; i < n; ++i) {
      if (f->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
        if (!strings_are_utf8(f->is_repeated() ? r.GetRepeatedMessage(m, f, i)
                                               : r.GetMessage(m, f)))
          return false;
      } else if (f->type() == FieldDescriptor::TYPE_STRING) {
        if (!is_utf8(f->is_repeated() ? r.GetRepeatedString(m, f, i) : r.GetString(m, f)))
          return false;
      }
    }
  }
  return true;
}

}  // namespace corolla::wire
