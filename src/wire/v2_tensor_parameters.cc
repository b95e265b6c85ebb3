#include "wire/v2_tensor_parameters.h"

#include <limits>

namespace corolla::wire::v2 {

Result<TensorParameters> read_tensor_parameters(const FieldReader& fields, od::value& value,
                                                const std::string& tensor, bool input) {
  TensorParameters p;
  od::object object;
  if (value.get_object().get(object))
    return fields.bad(tensor + ".parameters", fields.where(value), "is not an object");
  for (auto next : object) {
    od::field field;
    if (auto e = std::move(next).get(field)) return fields.broken(tensor + ".parameters", e);
    od::value& v = field.value();
    static constexpr KeyName kKeys[] = {
        {"binary_data_size", kBinarySize},   {"binary_data", kBinary},
        {"classification", kClassification}, {"shared_memory_region", kRegion},
        {"shared_memory_offset", kOffset},   {"shared_memory_byte_size", kByteSize}};
    uint32_t key = fields.match(field, kKeys);
    bool known = key != 0;
    if (key == kBinarySize && !input) known = false;
    if ((key == kBinary || key == kClassification) && input) known = false;
    if (!known) {
      RETURN_IF_ERROR(fields.skip_parameter(v, "a field of " + tensor + ".parameters"));
      continue;
    }
    std::string path = tensor + ".parameters.";
    for (const KeyName& k : kKeys)
      if (k.key == key) path += k.name;
    RETURN_IF_ERROR(fields.once(p.seen, static_cast<Key>(key), path, v));
    switch (key) {
      case kBinarySize: {
        ASSIGN_OR_RETURN(p.binary_size, fields.count(v, path));
        break;
      }
      case kBinary: {
        ASSIGN_OR_RETURN(p.binary, fields.truth(v, path));
        break;
      }
      case kClassification: {
        ASSIGN_OR_RETURN(p.classification, fields.count(v, path));
        if (p.classification > std::numeric_limits<uint32_t>::max())
          return fields.bad(path, fields.where(v), "is over 4294967295 classes");
        break;
      }
      case kRegion: {
        ASSIGN_OR_RETURN(p.shm.region, fields.text(v, path));
        if (p.shm.region.empty()) return fields.bad(path, fields.where(v), "is empty");
        break;
      }
      case kOffset: {
        ASSIGN_OR_RETURN(p.shm.offset, fields.count(v, path));
        break;
      }
      default: {
        ASSIGN_OR_RETURN(p.shm.bytes, fields.count(v, path));
      }
    }
  }
  if ((p.seen & kRegion) && !(p.seen & kByteSize))
    return fields.bad(tensor + ".parameters", fields.here(),
                      "has shared_memory_region without shared_memory_byte_size");
  if ((p.seen & (kOffset | kByteSize)) && !(p.seen & kRegion))
    return fields.bad(
        tensor + ".parameters", fields.here(),
        "has shared_memory_offset or shared_memory_byte_size without shared_memory_region");
  if ((p.seen & kRegion) && (p.seen & kBinarySize))
    return fields.bad(tensor + ".parameters", fields.here(),
                      "has both shared_memory_region and binary_data_size; give one");
  return p;
}

}  // namespace corolla::wire::v2
