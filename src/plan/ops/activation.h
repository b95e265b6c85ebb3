// The activations that end a step, one number at a time: the meaning of plan.h's enum.
#pragma once
#include <optional>
#include <string_view>

#include "plan/graph.h"
#include "plan/plan.h"

namespace corolla::plan {

float activate(Activation activation, float alpha, float beta, float value);

// By activation_name(); nullopt for none of them.
std::optional<Activation> activation_from_name(std::string_view name);

// The numbers of plan.h's Elementwise, before its epilogue. b and c count where the kind has them.
float elementwise(Elementwise::Kind kind, float a, float b, float c);
size_t elementwise_inputs(Elementwise::Kind kind);
std::string_view elementwise_name(Elementwise::Kind kind);  // "add"
std::optional<Elementwise::Kind> elementwise_from_name(std::string_view name);

// As corolla.* operators carry it: attributes activation, alpha, beta.
Epilogue epilogue_of(const Attributes& attributes);
void set_epilogue(Attributes& attributes, const Epilogue& epilogue);

// What node `op` (Relu, Clip with constant bounds, Sigmoid ...) does, if it is one of them.
std::optional<Epilogue> activation_of(const Node& node, const Graph& graph);

}  // namespace corolla::plan
