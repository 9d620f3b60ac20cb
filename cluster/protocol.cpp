#include "cluster/protocol.hpp"

#include <fmt/format.h>

namespace kvstone {
namespace {

constexpr int protocol_version = 3;

template <class... Functions>
struct Overloaded : Functions... {
    using Functions::operator()...;
};

Json to_json(WorkItem const& item) {
    Json json{{"cell", to_json(item.cell)},
              {"measure", to_json(item.measure)},
              {"process", item.process},
              {"attempt_id", item.attempt_id},
              {"campaign", item.campaign}};
    if (!item.call.is_null()) json["call"] = item.call;
    return json;
}

WorkItem item_from_json(Json const& json) {
    WorkItem item{cell_from_json(json.at("cell")), measure_from_json(json.at("measure")), json.at("process").get<int>(),
                  json.at("attempt_id").get<std::string>(), json.at("campaign").get<std::string>()};
    if (json.contains("call")) item.call = json.at("call");
    if (item.process < 0) throw CorruptData(fmt::format("process {} is below zero", item.process));
    return item;
}

Json to_json(WorkerInfo const& worker) {
    return {{"node", worker.node},
            {"hardware_class", worker.hardware_class},
            {"backends", worker.backends},
            {"host", worker.host}};
}

WorkerInfo worker_from_json(Json const& json) {
    return {json.at("node").get<std::string>(), json.at("hardware_class").get<std::string>(),
            json.at("backends").get<std::vector<std::string>>(), json.at("host")};
}

ClusterMessage message_from_json(Json const& json) {
    auto const type = json.at("type").get<std::string>();
    if (type == "hello") {
        int const version = json.at("version").get<int>();
        if (version != protocol_version) {
            throw CorruptData(fmt::format("protocol version {} instead of {}", version, protocol_version));
        }
        return Hello{worker_from_json(json.at("worker"))};
    }
    if (type == "deal") return Deal{item_from_json(json.at("item")), json.at("stored").get<std::vector<std::string>>()};
    if (type == "cancel") return Cancel{};
    if (type == "not_made") return NotMade{json.at("attempt_id").get<std::string>()};
    if (type == "result") return Result{measurement_from_json(json.at("measurement"))};
    if (type == "unreadable") return Unreadable{json.at("reason").get<std::string>()};
    if (type == "trouble") return Trouble{json.at("reason").get<std::string>()};
    if (type == "stop") return Stop{json.at("stored").get<std::vector<std::string>>()};
    if (type == "goodbye") return Goodbye{};
    throw CorruptData(fmt::format("unknown type '{}'", type));
}

}  // namespace

std::string encode_message(ClusterMessage const& message) {
    Json const json = std::visit(
        Overloaded{
            [](Hello const& hello) {
                return Json{{"type", "hello"}, {"version", protocol_version}, {"worker", to_json(hello.worker)}};
            },
            [](Deal const& deal) {
                return Json{{"type", "deal"}, {"item", to_json(deal.item)}, {"stored", deal.stored}};
            },
            [](Cancel const&) { return Json{{"type", "cancel"}}; },
            [](Result const& result) { return Json{{"type", "result"}, {"measurement", to_json(result.measurement)}}; },
            [](NotMade const& not_made) { return Json{{"type", "not_made"}, {"attempt_id", not_made.attempt_id}}; },
            [](Unreadable const& unreadable) { return Json{{"type", "unreadable"}, {"reason", unreadable.reason}}; },
            [](Trouble const& trouble) { return Json{{"type", "trouble"}, {"reason", trouble.reason}}; },
            [](Stop const& stop) { return Json{{"type", "stop"}, {"stored", stop.stored}}; },
            [](Goodbye const&) { return Json{{"type", "goodbye"}}; },
        },
        message);
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

ClusterMessage decode_message(std::string const& body) {
    try {
        return message_from_json(parse_json(body));
    } catch (std::bad_alloc const&) {
        throw;
    } catch (std::exception const& error) {
        constexpr std::size_t shown = 80;
        throw CorruptData(fmt::format("unreadable message '{}'{}: {}", body.substr(0, shown),
                                      body.size() > shown ? "..." : "", error.what()));
    }
}

}  // namespace kvstone
