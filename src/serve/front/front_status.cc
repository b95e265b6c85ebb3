// The front's part of `corolla status --json`.
#include <google/protobuf/util/json_util.h>

#include <google/protobuf/struct.pb.h>

#include "serve/front/front.h"

namespace corolla::front {
namespace {

using google::protobuf::Struct;

void set(Struct& object, const std::string& key, double value) {
  (*object.mutable_fields())[key].set_number_value(value);
}
void set(Struct& object, const std::string& key, const std::string& value) {
  (*object.mutable_fields())[key].set_string_value(value);
}
Struct& append(Struct& object, const std::string& key) {
  return *(*object.mutable_fields())[key]
              .mutable_list_value()
              ->add_values()
              ->mutable_struct_value();
}

}  // namespace

std::string Front::status_json() const {
  Struct root;
  (*root.mutable_fields())["ready"].set_bool_value(ready_);
  set(root, "outstanding", static_cast<double>(switchboard_->outstanding()));
  const auto counters = switchboard_->counters();
  set(root, "retries", static_cast<double>(counters.retries));
  set(root, "workers_lost", static_cast<double>(counters.workers_lost));
  size_t connections = 0;
  for (const auto& connection_set : sets_) connections += connection_set->open();
  set(root, "connections", static_cast<double>(connections));
  const auto arena = slots_->arena().counters();
  set(root, "arena_bytes", static_cast<double>(arena.total_bytes));
  set(root, "arena_used_bytes", static_cast<double>(arena.used_bytes));
  for (const auto& view : switchboard_->views()) {
    auto& worker = append(root, "workers");
    set(worker, "worker", view.id);
    set(worker, "slice", view.slice);
    set(worker, "outstanding", static_cast<double>(view.outstanding));
    set(worker, "completed", static_cast<double>(view.completed));
    set(worker, "busy_seconds", to_seconds(view.busy));
  }
  for (const auto& entry : manager_->index()) {
    auto& model = append(root, "models");
    set(model, "name", entry.name);
    set(model, "version", static_cast<double>(entry.version));
    set(model, "state", entry.state);
    set(model, "reason", entry.reason);
    set(model, "workers", static_cast<double>(manager_->workers_serving(entry.name)));
  }
  std::string json;
  if (!google::protobuf::util::MessageToJsonString(root, &json).ok()) return "{}";
  return json;
}

}  // namespace corolla::front
