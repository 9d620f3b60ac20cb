#include "scenarios/planned_files.hpp"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "scenarios/content_hash.hpp"
#include "scenarios/errors.hpp"
#include "tests/scratch_folder.hpp"

namespace kvstone {
namespace {

using testing::AllOf;
using testing::HasSubstr;

template <class Action>
std::string refusal(Action const& action) {
    try {
        action();
    } catch (SystemError const& error) {
        return error.what();
    }
    return "accepted";
}

/// Replaces as careful programs do: by a rename.
void replace(ScratchFolder const& folder, std::string const& name, std::string const& content) {
    std::filesystem::rename(folder.write(name + ".new", content), folder.path() + "/" + name);
}

class Planned : public testing::Test {
  protected:
    void SetUp() override {
        for (auto const* name : {"dump", "model", "text", "items", "labels"}) folder_.write(name, name);
    }
    std::string path(std::string const& name) const { return folder_.path() + "/" + name; }
    Cell dump() const {
        Cell cell;
        cell.source = {{"kind", "dump"}, {"sha256", content_hash(path("dump"))}};
        cell.locator = {{"path", path("dump")}};
        return cell;
    }
    Cell model() const {
        Cell cell;
        cell.source = {
            {"kind", "model"}, {"sha256", content_hash(path("model"))}, {"text_sha256", content_hash(path("text"))}};
        cell.options = {{"file", content_hash(path("items"))}, {"labels", content_hash(path("labels"))}, {"items", 3}};
        cell.locator = {{"path", path("model")},
                        {"text", path("text")},
                        {"files", {{"file", path("items")}, {"labels", path("labels")}}}};
        return cell;
    }
    ScratchFolder const folder_;
};

TEST_F(Planned, AreTakenWhereTheyAreAsTheyWere) {
    Cell synthetic;
    synthetic.source = {{"kind", "synthetic"}};
    synthetic.locator = Json::object();
    for (auto const& cell : {dump(), model(), synthetic})
        EXPECT_EQ(refusal([&] { PlannedFiles(cell).check_again(); }), "accepted");
}

TEST_F(Planned, AreRefusedByNameWhicheverWasReplaced) {
    auto const cell = model();
    for (auto const* name : {"model", "text", "items", "labels"}) {
        replace(folder_, name, "other");
        EXPECT_THAT(refusal([&] { PlannedFiles const files(cell); }),
                    AllOf(HasSubstr(path(name) + ": no longer the file that was planned"),
                          HasSubstr("not " + content_hash(folder_.write("again", name)))));
        replace(folder_, name, name);
    }
    EXPECT_EQ(refusal([&] { PlannedFiles const files(cell); }), "accepted");
    auto const gone = dump();
    std::filesystem::remove(path("dump"));
    EXPECT_THAT(refusal([&] { PlannedFiles const files(gone); }),
                AllOf(HasSubstr("no longer the file that was planned"), HasSubstr("cannot be read")));
}

TEST_F(Planned, AreFoundToBeReplacedWhileTheyAreRead) {
    auto const cell = dump();
    PlannedFiles const files(cell);
    replace(folder_, "dump", "DUMP");  // as long, and made in the same second
    EXPECT_THAT(refusal([&] { files.check_again(); }), HasSubstr("no longer the file that was planned"));
    // Another file of the same content is as good.
    replace(folder_, "dump", "dump");
    EXPECT_EQ(refusal([&] { files.check_again(); }), "accepted");
    std::filesystem::remove(path("dump"));
    EXPECT_THAT(refusal([&] { files.check_again(); }), HasSubstr("no longer the file that was planned"));
}

}  // namespace
}  // namespace kvstone
