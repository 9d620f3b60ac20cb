#include "cluster/protocol.hpp"

#include <gtest/gtest.h>

#include "tests/cluster/fake_work.hpp"

namespace kvstone {
namespace {

TEST(Protocol, EveryMessageComesBackAsItWas) {
    auto item = fake_item(9, "cuda", true, 4);
    item.process = 3;
    item.attempt_id = "0123456789abcdef0123456789abcdef";
    item.measure.timeout_s = 12.5;
    item.campaign = "c1";
    auto const deal = std::get<Deal>(decode_message(encode_message(Deal{item}))).item;
    EXPECT_EQ(deal.cell, item.cell);
    EXPECT_EQ(deal.cell.id, item.cell.id);
    EXPECT_EQ(deal.cell.backend, "cuda");
    EXPECT_EQ(deal.measure, item.measure);
    EXPECT_EQ(deal.process, 3);
    EXPECT_EQ(deal.attempt_id, item.attempt_id);
    EXPECT_EQ(deal.campaign, "c1");

    WorkerInfo const offer{"n1/boot", "class", {"openmp", "arm"}, {{"cpu", "x"}}};
    auto const worker = std::get<Hello>(decode_message(encode_message(Hello{offer}))).worker;
    EXPECT_EQ(worker.node, offer.node);
    EXPECT_EQ(worker.hardware_class, offer.hardware_class);
    EXPECT_EQ(worker.backends, offer.backends);
    EXPECT_EQ(worker.host, offer.host);

    Measurement measurement = fake_measurement(item);
    measurement.status = Status::timeout;
    measurement.reason = "too long";
    auto const result = std::get<Result>(decode_message(encode_message(Result{measurement}))).measurement;
    EXPECT_EQ(result.status, Status::timeout);
    EXPECT_EQ(result.reason, "too long");
    EXPECT_EQ(result.figures.at(0).value, 9.0);

    EXPECT_EQ(std::get<Unreadable>(decode_message(encode_message(Unreadable{"why"}))).reason, "why");
    EXPECT_EQ(std::get<Trouble>(decode_message(encode_message(Trouble{"full"}))).reason, "full");
    for (std::vector<std::string> const& stored : {std::vector<std::string>{}, {"a1", "a2"}}) {
        EXPECT_EQ(std::get<Stop>(decode_message(encode_message(Stop{stored}))).stored, stored);
        EXPECT_EQ(std::get<Deal>(decode_message(encode_message(Deal{item, stored}))).stored, stored);
    }
    EXPECT_EQ(std::get<NotMade>(decode_message(encode_message(NotMade{"a1"}))).attempt_id, "a1");
    EXPECT_TRUE(std::holds_alternative<Cancel>(decode_message(encode_message(Cancel{}))));
    EXPECT_TRUE(std::holds_alternative<Goodbye>(decode_message(encode_message(Goodbye{}))));
}

TEST(Protocol, AnythingElseIsCorruptData) {
    for (std::string const body :
         {"", " ", "{", "7", "\"stop\"", "{}", "{\"type\":\"stopp\"}", "{\"type\":\"stop\"}",
          "{\"type\":\"stop\",\"stored\":true}", "{\"type\":null}", "{\"type\":\"hello\"}",
          "{\"type\":\"hello\",\"version\":1,\"worker\":{}}", "{\"type\":\"hello\",\"version\":2,\"worker\":[]}",
          "{\"type\":\"unreadable\"}", "{\"type\":\"result\",\"measurement\":null}", "\x80"}) {
        EXPECT_THROW(decode_message(body), CorruptData) << body;
    }
}

TEST(Protocol, EveryTruncationIsCorruptDataAndEveryFlippedByteIsReadOrRefused) {
    auto item = fake_item(1);
    item.attempt_id = "a";
    for (auto const& body : {encode_message(Deal{item}), encode_message(Hello{fake_worker()}),
                             encode_message(Result{fake_measurement(item)})}) {
        for (std::size_t length = 0; length < body.size(); ++length) {
            EXPECT_THROW(decode_message(body.substr(0, length)), CorruptData) << length;
        }
        for (std::size_t at = 0; at < body.size(); ++at) {
            auto changed = body;
            changed[at] = static_cast<char>(changed[at] ^ 0x11);
            try {
                decode_message(changed);
            } catch (CorruptData const&) {
            }
        }
    }
}

TEST(Protocol, ANegativeProcessIsCorruptData) {
    auto json = Json::parse(encode_message(Deal{fake_item(1)}));
    json["item"]["process"] = -1;
    EXPECT_THROW(decode_message(json.dump()), CorruptData);
}

}  // namespace
}  // namespace kvstone
