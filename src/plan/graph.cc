#include "plan/graph.h"

#include <algorithm>
#include <cstdio>
#include <set>
#include <unordered_set>

namespace corolla::plan {
namespace {

template <class T>
const T* find(const std::map<std::string, Attribute, std::less<>>& all, std::string_view name) {
  const auto it = all.find(name);
  return it == all.end() ? nullptr : std::get_if<T>(&it->second);
}

std::string number_text(float value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", static_cast<double>(value));
  return text;
}

std::string attribute_text(const Attribute& attribute) {
  if (const auto* i = std::get_if<int64_t>(&attribute)) return std::to_string(*i);
  if (const auto* f = std::get_if<float>(&attribute)) return number_text(*f);
  if (const auto* s = std::get_if<std::string>(&attribute)) return "'" + *s + "'";
  if (const auto* v = std::get_if<std::vector<int64_t>>(&attribute)) return shape_text(*v);
  if (const auto* t = std::get_if<Tensor>(&attribute))
    return std::string(dtype_name(t->dtype())) + shape_text(t->shape());
  std::string text = "[";
  if (const auto* v = std::get_if<std::vector<float>>(&attribute))
    for (const float f : *v) text += (text.size() > 1 ? "," : "") + number_text(f);
  if (const auto* v = std::get_if<std::vector<std::string>>(&attribute))
    for (const std::string& s : *v) text += (text.size() > 1 ? ",'" : "'") + s + "'";
  return text + "]";
}

}  // namespace

int64_t Attributes::integer(std::string_view name, int64_t otherwise) const {
  const auto* found = find<int64_t>(all_, name);
  return found ? *found : otherwise;
}
float Attributes::number(std::string_view name, float otherwise) const {
  const auto* found = find<float>(all_, name);
  return found ? *found : otherwise;
}
std::string Attributes::text(std::string_view name, std::string_view otherwise) const {
  const auto* found = find<std::string>(all_, name);
  return found ? *found : std::string(otherwise);
}
std::vector<int64_t> Attributes::integers(std::string_view name,
                                          std::vector<int64_t> otherwise) const {
  if (const auto* found = find<std::vector<int64_t>>(all_, name)) return *found;
  return otherwise;
}
std::vector<float> Attributes::numbers(std::string_view name) const {
  const auto* found = find<std::vector<float>>(all_, name);
  return found ? *found : std::vector<float>();
}
const Tensor* Attributes::tensor(std::string_view name) const { return find<Tensor>(all_, name); }
void Attributes::erase(std::string_view name) {
  if (const auto it = all_.find(name); it != all_.end()) all_.erase(it);
}

ValueId Graph::add_value(Value value) {
  values.push_back(std::move(value));
  return static_cast<ValueId>(values.size() - 1);
}

ValueId Graph::add_constant(std::string name, Tensor tensor) {
  Value value;
  value.name = unique_name(std::move(name));
  value.dtype = tensor.dtype();
  value.shape = tensor.shape();
  value.typed = true;
  value.constant = std::move(tensor);
  return add_value(std::move(value));
}

std::string Graph::unique_name(std::string wish) const {
  const auto taken = [&](const std::string& name) {
    return std::any_of(values.begin(), values.end(),
                       [&](const Value& v) { return v.name == name; }) ||
           std::any_of(nodes.begin(), nodes.end(), [&](const Node& n) { return n.name == name; });
  };
  if (!taken(wish)) return wish;
  for (int i = 2;; ++i)
    if (std::string name = wish + "." + std::to_string(i); !taken(name)) return name;
}

void Graph::replace_uses(ValueId from, ValueId to) {
  for (Node& node : nodes) std::replace(node.inputs.begin(), node.inputs.end(), from, to);
  for (ValueId& output : outputs) {
    if (output != from) continue;
    output = to;
    std::swap(value(from).name, value(to).name);
  }
}

Status Graph::tidy() {
  std::vector<int> producer(values.size(), -1);
  for (size_t n = 0; n < nodes.size(); ++n)
    for (const ValueId id : nodes[n].outputs)
      if (id != kNoValue) producer[static_cast<size_t>(id)] = static_cast<int>(n);

  // Depth first from the outputs: what is not reached is dead. A stack of our own: graphs may be
  // thousands of nodes deep.
  enum : char { kUnseen, kOpen, kDone };
  std::vector<char> state(nodes.size(), kUnseen);
  std::vector<int> order;
  std::vector<std::pair<int, size_t>> stack;
  const auto visit = [&](ValueId root) -> Status {
    if (root == kNoValue || producer[static_cast<size_t>(root)] < 0) return ok();
    stack.emplace_back(producer[static_cast<size_t>(root)], 0);
    while (!stack.empty()) {
      auto& [n, next] = stack.back();
      const Node& node = nodes[static_cast<size_t>(n)];
      if (next == 0) {
        if (state[static_cast<size_t>(n)] == kDone) {
          stack.pop_back();
          continue;
        }
        state[static_cast<size_t>(n)] = kOpen;
      }
      if (next == node.inputs.size()) {
        state[static_cast<size_t>(n)] = kDone;
        order.push_back(n);
        stack.pop_back();
        continue;
      }
      const ValueId input = node.inputs[next++];
      if (input == kNoValue) continue;
      const int from = producer[static_cast<size_t>(input)];
      if (from < 0 || state[static_cast<size_t>(from)] == kDone) continue;
      if (state[static_cast<size_t>(from)] == kOpen)
        return Error{Code::kInvalidArgument,
                     "the graph has a cycle: node '" + nodes[static_cast<size_t>(from)].name +
                         "' needs its own output, through node '" + node.name + "'"};
      stack.emplace_back(from, 0);
    }
    return ok();
  };
  // A cycle that no output needs is still a broken model.
  for (size_t n = 0; n < nodes.size(); ++n)
    for (const ValueId id : nodes[n].outputs) RETURN_IF_ERROR(visit(id));
  std::vector<bool> live(nodes.size());
  std::vector<ValueId> wanted(outputs);
  while (!wanted.empty()) {
    const ValueId id = wanted.back();
    wanted.pop_back();
    if (id == kNoValue) continue;
    const int from = producer[static_cast<size_t>(id)];
    if (from < 0 || live[static_cast<size_t>(from)]) continue;
    live[static_cast<size_t>(from)] = true;
    const Node& node = nodes[static_cast<size_t>(from)];
    wanted.insert(wanted.end(), node.inputs.begin(), node.inputs.end());
  }

  // The old order where it is one already, so that dumps before and after a pass can be compared.
  std::vector<int> rank(nodes.size());
  for (size_t i = 0; i < order.size(); ++i)
    rank[static_cast<size_t>(order[i])] = static_cast<int>(i);
  bool sorted = true;
  for (size_t n = 0; n < nodes.size() && sorted; ++n)
    for (const ValueId id : nodes[n].inputs)
      if (id != kNoValue && producer[static_cast<size_t>(id)] >= static_cast<int>(n))
        sorted = false;
  if (sorted)
    for (size_t n = 0; n < nodes.size(); ++n) order[n] = static_cast<int>(n);

  std::vector<Node> kept;
  for (const int n : order)
    if (live[static_cast<size_t>(n)]) kept.push_back(std::move(nodes[static_cast<size_t>(n)]));
  nodes = std::move(kept);

  std::vector<ValueId> renamed(values.size(), kNoValue);
  std::vector<bool> named(values.size());
  const auto name = [&](const std::vector<ValueId>& ids) {
    for (const ValueId id : ids)
      if (id != kNoValue) named[static_cast<size_t>(id)] = true;
  };
  name(inputs);
  name(outputs);
  for (const Node& node : nodes) {
    name(node.inputs);
    name(node.outputs);
  }
  std::vector<Value> left;
  for (size_t v = 0; v < values.size(); ++v) {
    if (!named[v]) continue;
    renamed[v] = static_cast<ValueId>(left.size());
    left.push_back(std::move(values[v]));
  }
  values = std::move(left);
  const auto rename = [&](std::vector<ValueId>& ids) {
    for (ValueId& id : ids)
      if (id != kNoValue) id = renamed[static_cast<size_t>(id)];
  };
  rename(inputs);
  rename(outputs);
  for (Node& node : nodes) {
    rename(node.inputs);
    rename(node.outputs);
  }
  return ok();
}

Uses::Uses(const Graph& graph)
    : producer(graph.values.size(), -1),
      consumers(graph.values.size()),
      is_output(graph.values.size()) {
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    for (const ValueId id : graph.nodes[n].outputs)
      if (id != kNoValue) producer[static_cast<size_t>(id)] = static_cast<int>(n);
    for (const ValueId id : graph.nodes[n].inputs)
      if (id != kNoValue) consumers[static_cast<size_t>(id)].push_back(static_cast<int>(n));
  }
  for (const ValueId id : graph.outputs) is_output[static_cast<size_t>(id)] = true;
}

bool Uses::only_reader(ValueId value, int reader) const {
  const auto& readers = consumers[static_cast<size_t>(value)];
  return !is_output[static_cast<size_t>(value)] && readers.size() == 1 && readers[0] == reader;
}

std::string graph_text(const Graph& graph) {
  const auto type = [&](const Value& value) {
    if (!value.typed) return std::string("?");
    return std::string(dtype_name(value.dtype)) + " " + shape_text(value.shape) +
           (value.layout == Layout::kNhwc ? " NHWC" : "");
  };
  std::string text =
      "graph '" + graph.name + "': " + std::to_string(graph.nodes.size()) + " nodes\n";
  for (const ValueId id : graph.inputs)
    text += "  input " + graph.value(id).name + " " + type(graph.value(id)) + "\n";
  for (const Node& node : graph.nodes) {
    text += "  " + node.name + "  " + node.op + "  (";
    for (size_t i = 0; i < node.inputs.size(); ++i)
      text +=
          (i ? ", " : "") + (node.inputs[i] == kNoValue ? "-" : graph.value(node.inputs[i]).name);
    text += ") ->";
    for (const ValueId id : node.outputs)
      text += id == kNoValue ? " -" : " " + graph.value(id).name + " " + type(graph.value(id));
    if (!node.attributes.all().empty()) {
      text += "  {";
      bool first = true;
      for (const auto& [name, attribute] : node.attributes.all()) {
        text += (first ? "" : ", ") + name + "=" + attribute_text(attribute);
        first = false;
      }
      text += "}";
    }
    text += "\n";
  }
  for (const ValueId id : graph.outputs)
    text += "  output " + graph.value(id).name + " " + type(graph.value(id)) + "\n";
  return text;
}

}  // namespace corolla::plan
