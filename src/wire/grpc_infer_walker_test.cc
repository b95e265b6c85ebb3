#include "wire/grpc_infer_walker.h"

#include <gtest/gtest.h>

#include <random>

#include "wire/grpc_infer_encode.h"
#include "wire/grpc_infer_oracle.h"

namespace corolla::wire {
namespace {

using inference::ModelInferRequest;

std::string_view view(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Result<InferRequest> walk(std::string_view message, HeapPlaces& places, size_t chunk = SIZE_MAX,
                          bool tell_length = true, GrpcInferLimits limits = {}) {
  GrpcInferWalker walker(limits, std::ref(places));
  return walk_in_chunks(walker, message, tell_length, [&](size_t) { return chunk; });
}

std::string error_of(std::string_view message, GrpcInferLimits limits = {}) {
  HeapPlaces places;
  const auto result = walk(message, places, SIZE_MAX, true, limits);
  return result.ok() ? "accepted"
                     : std::string(code_name(result.error().code)) + " " + result.error().what;
}

ModelInferRequest flower(size_t bytes) {
  ModelInferRequest m;
  m.set_model_name("flower");
  m.set_model_version("1");
  m.set_id("a-7");
  (*m.mutable_parameters())["triton_enable_empty_final_response"].set_bool_param(true);
  (*m.mutable_parameters())["priority"].set_uint64_param(3);
  (*m.mutable_parameters())["timeout"].set_int64_param(5000);
  auto* in = m.add_inputs();
  in->set_name("input");
  in->set_datatype("UINT8");
  in->add_shape(static_cast<int64_t>(bytes));
  auto* out = m.add_outputs();
  out->set_name("output");
  (*out->mutable_parameters())["classification"].set_int64_param(3);
  std::string raw(bytes, '\0');
  for (size_t i = 0; i < bytes; ++i) raw[i] = static_cast<char>(i * 31);
  m.add_raw_input_contents(raw);
  return m;
}

TEST(GrpcInferWalker, TakesInAnOrdinaryRequest) {
  const ModelInferRequest m = flower(100'000);
  HeapPlaces places;
  const auto r = walk(m.SerializeAsString(), places, 16384);
  ASSERT_TRUE(r.ok()) << r.error().what;
  EXPECT_EQ(r->model, "flower");
  EXPECT_EQ(r->version, "1");
  EXPECT_EQ(r->id, "a-7");
  EXPECT_EQ(r->priority, 3u);
  EXPECT_EQ(r->timeout_us, 5000u);
  EXPECT_TRUE(r->empty_final_response);
  EXPECT_FALSE(r->sequence);
  ASSERT_EQ(r->inputs.size(), 1u);
  EXPECT_EQ(r->inputs[0].dtype, DType::kUint8);
  EXPECT_EQ(view(r->inputs[0].bytes), m.raw_input_contents(0));
  EXPECT_EQ(r->inputs[0].bytes.data(), places.blocks[0].get())
      << "the values lie where the caller said";
  ASSERT_EQ(r->outputs.size(), 1u);
  EXPECT_EQ(r->outputs[0].class_count, 3u);
}

TEST(GrpcInferWalker, AnySplitGivesTheSame) {
  ModelInferRequest m = flower(3000);
  auto* in = m.add_inputs();
  in->set_name("b");
  in->set_datatype("BYTES");
  in->add_shape(1);
  m.add_raw_input_contents(std::string("\4\0\0\0abcd", 8));
  const std::string message = m.SerializeAsString();
  for (size_t cut = 0; cut <= message.size(); ++cut) {
    HeapPlaces places;
    GrpcInferWalker walker({}, std::ref(places));
    const auto r = walk_in_chunks(walker, message, cut % 2, [&](size_t i) {
      return i ? SIZE_MAX : std::max<size_t>(cut, 1);
    });
    ASSERT_TRUE(r.ok()) << cut << ": " << r.error().what;
    ASSERT_EQ(view(r->inputs[0].bytes), m.raw_input_contents(0)) << cut;
    ASSERT_EQ(view(r->inputs[1].bytes), m.raw_input_contents(1)) << cut;
  }
  HeapPlaces places;
  const auto r = walk(message, places, 1);
  ASSERT_TRUE(r.ok()) << r.error().what;
  EXPECT_EQ(view(r->inputs[0].bytes), m.raw_input_contents(0));
}

TEST(GrpcInferWalker, WaitsWhileThereIsNoPlace) {
  ModelInferRequest m = flower(50);  // comes whole with the head: only finish() can find the place
  m.add_raw_input_contents("second");
  auto* in = m.add_inputs();
  in->set_name("c");
  in->set_datatype("UINT8");
  const std::string message = m.SerializeAsString();
  HeapPlaces places;
  places.refuse_next = 3;
  GrpcInferWalker walker({}, std::ref(places));
  walker.begin(message.size(), 1 << 20);
  const auto room = walker.room();
  ASSERT_GE(room.size(), message.size());
  std::memcpy(room.data(), message.data(), message.size());
  ASSERT_TRUE(walker.filled(message.size()).ok());
  EXPECT_TRUE(walker.waiting());
  EXPECT_TRUE(walker.room().empty());
  auto first = walker.finish();
  ASSERT_TRUE(first.ok() && !*first);
  auto second = walker.finish();
  ASSERT_TRUE(second.ok() && *second);
  EXPECT_EQ(view((*second)->inputs[1].bytes), "second");

  places.refuse_next = 5;  // in the middle of a large one
  const auto again =
      walk_in_chunks(walker, flower(9000).SerializeAsString(), true, [](size_t) { return 700; });
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(view(again->inputs[0].bytes), flower(9000).raw_input_contents(0));
}

TEST(GrpcInferWalker, FieldsInAnyOrder) {
  ModelInferRequest head = flower(0), one, two;
  head.clear_raw_input_contents();
  one.add_raw_input_contents(std::string(5000, 'x'));
  two.set_id("");
  auto* in = two.add_inputs();
  in->set_name("late");
  in->set_datatype("UINT8");
  two.add_raw_input_contents("y");
  for (size_t chunk : {size_t{1}, size_t{7}, size_t{1500}, SIZE_MAX}) {
    HeapPlaces places;
    const auto r =
        walk(one.SerializeAsString() + head.SerializeAsString() + two.SerializeAsString(), places,
             chunk);
    ASSERT_TRUE(r.ok()) << r.error().what;
    EXPECT_EQ(view(r->inputs[0].bytes), one.raw_input_contents(0));
    EXPECT_EQ(view(r->inputs[1].bytes), "y");
  }
}

TEST(GrpcInferWalker, TypedContentsBecomeBinary) {
  ModelInferRequest m;
  m.set_model_name("m");
  const auto add = [&](const char* type, int64_t n) {
    auto* in = m.add_inputs();
    in->set_name(type);
    in->set_datatype(type);
    in->add_shape(n);
    return in->mutable_contents();
  };
  add("INT8", 2)->mutable_int_contents()->Add(-128);
  m.mutable_inputs(0)->mutable_contents()->add_int_contents(127);
  auto* f = add("FP32", 300);
  for (int i = 0; i < 300; ++i) f->add_fp32_contents(static_cast<float>(i) / 7);
  auto* b = add("BYTES", 2);
  b->add_bytes_contents("abc");
  b->add_bytes_contents("");
  add("UINT64", 1)->add_uint64_contents(UINT64_MAX);
  add("BOOL", 1)->add_bool_contents(true);
  add("FP64", 0);
  const auto expected = oracle_inputs(m);
  ASSERT_TRUE(expected);
  HeapPlaces places;
  places.refuse_next = 2;
  const auto r = walk(m.SerializeAsString(), places, 100);
  ASSERT_TRUE(r.ok()) << r.error().what;
  for (size_t i = 0; i < r->inputs.size(); ++i)
    EXPECT_EQ(view(r->inputs[i].bytes), (*expected)[i].bytes) << i;

  m.mutable_inputs(0)->mutable_contents()->set_int_contents(1, 128);
  EXPECT_EQ(error_of(m.SerializeAsString()),
            "INVALID_ARGUMENT ModelInferRequest.inputs[0].contents.int_contents at offset 22: "
            "element 1 does not fit INT8");
}

TEST(GrpcInferWalker, NamesWhatIsWrongAndWhere) {
  const auto with = [](auto change) {
    ModelInferRequest m = flower(4);
    change(m);
    return error_of(m.SerializeAsString());
  };
  EXPECT_EQ(error_of("\x08\x01"),
            "INVALID_ARGUMENT ModelInferRequest.model_name at offset 0: the wire type is varint, "
            "not length-delimited");
  EXPECT_EQ(error_of("\x0a\x01x\x0a\x01y"),
            "INVALID_ARGUMENT ModelInferRequest.model_name at offset 3: is given twice");
  EXPECT_EQ(error_of("\x0a\x01\xff"),
            "INVALID_ARGUMENT ModelInferRequest.model_name at offset 0: the text is not UTF-8");
  EXPECT_EQ(error_of("\x0a\x09x"),
            "INVALID_ARGUMENT ModelInferRequest.model_name at offset 0: the value claims 9 bytes; "
            "at most 1 can follow");
  EXPECT_EQ(error_of("\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
            "INVALID_ARGUMENT ModelInferRequest.raw_input_contents at offset 0: the value claims "
            "18446744073709551615 bytes; at "
            "most 0 can follow");
  EXPECT_EQ(error_of(std::string("\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 11)),
            "INVALID_ARGUMENT ModelInferRequest.raw_input_contents at offset 0: a varint is over "
            "64 bits");
  EXPECT_EQ(error_of("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
            "INVALID_ARGUMENT ModelInferRequest at offset 0: a field's tag is over 32 bits");
  EXPECT_EQ(error_of(std::string("\0\0", 2)),
            "INVALID_ARGUMENT ModelInferRequest at offset 0: a field has the number 0");
  EXPECT_EQ(error_of("\x0a"),
            "INVALID_ARGUMENT ModelInferRequest at offset 0: the message ends inside this field");
  EXPECT_EQ(error_of("\x43\x44"),
            "INVALID_ARGUMENT ModelInferRequest at offset 0: the wire type group is not accepted");
  EXPECT_EQ(with([](auto& m) { m.add_raw_input_contents(""); }),
            "INVALID_ARGUMENT ModelInferRequest.raw_input_contents has 2 entries for 1 inputs "
            "outside shared memory: there "
            "must be one for each");
  EXPECT_EQ(with([](auto& m) { m.mutable_inputs(0)->set_datatype("FP31"); }),
            "INVALID_ARGUMENT ModelInferRequest.inputs[0].datatype at offset 90: 'FP31' is no "
            "datatype of the protocol");
  EXPECT_EQ(with([](auto& m) {
              m.clear_parameters();
              (*m.mutable_parameters())["priority"].set_int64_param(-1);
            }),
            "INVALID_ARGUMENT ModelInferRequest.parameters[\"priority\"] at offset 16: is -1; it "
            "may not be negative");
  EXPECT_EQ(with([](auto& m) {
              m.mutable_inputs(0)->clear_shape();
              m.mutable_inputs(0)->add_shape(4);
              m.clear_raw_input_contents();
            }),
            "INVALID_ARGUMENT input 'input': its shape [4] has 4 elements, but 0 values were sent "
            "(in raw_input_contents, in "
            "contents or in shared memory, each needs all of them)");
  GrpcInferLimits small;
  small.head_bytes = 20;
  EXPECT_TRUE(error_of(flower(9).SerializeAsString(), small).starts_with("TOO_LARGE"));
  ModelInferRequest many;
  for (int i = 0; i < 1025; ++i) many.add_raw_input_contents("");
  EXPECT_TRUE(error_of(many.SerializeAsString()).starts_with("TOO_LARGE"));
}

TEST(GrpcInferWalker, EveryTruncationIsRefused) {
  const std::string message = flower(40).SerializeAsString();
  const std::string without = [&] {
    ModelInferRequest m = flower(40);
    m.clear_raw_input_contents();
    return m.SerializeAsString();
  }();
  for (size_t n = 0; n < message.size(); ++n) {
    HeapPlaces places;
    const auto r = walk(message.substr(0, n), places, SIZE_MAX, n % 2);
    // A cut between two fields leaves a message that is whole, and lacks an input or its values.
    ModelInferRequest cut;
    const bool whole = cut.ParseFromString(message.substr(0, n)) && oracle_inputs(cut);
    ASSERT_EQ(r.ok(), whole) << n;
  }
}

TEST(GrpcInferWalker, AgreesWithProtobufOnRandomDamage) {
  std::mt19937 random(7);
  ModelInferRequest m = flower(200);
  (*m.mutable_inputs(0)->mutable_parameters())["shared_memory_region"].set_string_param("r");
  const std::string good[] = {flower(200).SerializeAsString(), m.SerializeAsString()};
  HeapPlaces places;
  GrpcInferWalker walker({}, std::ref(places));
  int accepted = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string message = good[round % 2];
    for (unsigned i = 0; i <= random() % 3; ++i)
      message[random() % 150] ^= static_cast<char>(1 << random() % 8);
    const auto r =
        walk_in_chunks(walker, message, round % 2, [&](size_t) { return 1 + random() % 50; });
    if (!r.ok()) continue;
    ++accepted;
    ModelInferRequest parsed;
    ASSERT_TRUE(parsed.ParseFromString(message)) << "round " << round;
    const auto expected = oracle_inputs(parsed);
    ASSERT_TRUE(expected) << "round " << round;
    ASSERT_EQ(expected->size(), r->inputs.size());
    for (size_t i = 0; i < expected->size(); ++i)
      ASSERT_EQ(view(r->inputs[i].bytes), (*expected)[i].bytes);
  }
  EXPECT_GT(accepted, 1000);
}

TEST(GrpcInferEncode, ProtobufReadsItBack) {
  const std::vector<int64_t> shape = {1, 102}, big_shape = {-1, 5000};
  const std::string small(408, 's'), big(70'000, 'b');
  const auto bytes = [](const std::string& s) { return std::as_bytes(std::span(s)); };
  const OutputTensor outputs[] = {
      {.name = "small", .dtype = DType::kFp32, .shape = shape, .bytes = bytes(small)},
      {.name = "shm",
       .dtype = DType::kInt8,
       .shape = {},
       .bytes = bytes(big),
       .shm = ShmPlace{"r", 0, 4}},
      {.name = "big", .dtype = DType::kBytes, .shape = big_shape, .bytes = bytes(big)},
      {.name = "empty", .dtype = DType::kFp16, .shape = shape, .bytes = {}},
  };
  const InferResponse response{.model = "flower", .version = "1", .id = "x", .outputs = outputs};
  const auto join = [](const std::vector<Piece>& pieces) {
    std::string all;
    for (const Piece& p : pieces) all.append(p.owned).append(view(p.borrowed));
    return all;
  };
  const auto pieces = encode_infer_response(response, true);
  EXPECT_EQ(pieces.size(), 3u);
  EXPECT_EQ(pieces[1].borrowed.data(), bytes(big).data()) << "large outputs are not copied";
  inference::ModelInferResponse m;
  ASSERT_TRUE(m.ParseFromString(join(pieces)));
  EXPECT_EQ(m.SerializeAsString(), join(pieces));
  EXPECT_EQ(m.model_name(), "flower");
  EXPECT_EQ(m.id(), "x");
  EXPECT_TRUE(m.parameters().at("triton_final_response").bool_param());
  ASSERT_EQ(m.outputs_size(), 4);
  EXPECT_EQ(m.outputs(2).datatype(), "BYTES");
  EXPECT_EQ(m.outputs(2).shape(0), -1);
  ASSERT_EQ(m.raw_output_contents_size(), 4);
  EXPECT_EQ(m.raw_output_contents(0), small);
  EXPECT_EQ(m.raw_output_contents(1), "");
  EXPECT_EQ(m.raw_output_contents(2), big);

  inference::ModelStreamInferResponse s;
  ASSERT_TRUE(s.ParseFromString(join(encode_stream_response(response))));
  EXPECT_EQ(s.infer_response().raw_output_contents(2), big);
  ASSERT_TRUE(s.ParseFromString(join(encode_stream_error("no such model", "id9"))));
  EXPECT_EQ(s.error_message(), "no such model");
  EXPECT_EQ(s.infer_response().id(), "id9");
}

}  // namespace
}  // namespace corolla::wire
