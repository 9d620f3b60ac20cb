#include <chrono>
#include <csignal>
#include <fstream>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/attempts/attempt.hpp"
#include "harness/attempts/child_process.hpp"
#include "harness/attempts/pipe.hpp"
#include "harness/attempts/process_memory.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

ChildCommand shell(std::string const& script) {
    ChildCommand command;
    command.arguments = {"/bin/sh", "-c", script};
    command.environment = {{"PATH", "/usr/bin:/bin"}};
    command.timeout_s = 60;
    return command;
}

bool gone(pid_t pid) { return kill(pid, 0) != 0 && errno == ESRCH; }

/// Waits for an event of another process; true where it came.
template <class Condition>
bool comes(Condition const& condition) {
    for (int look = 0; look < 2000; ++look) {
        if (condition()) return true;
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
}

std::string scratch_file(std::string const& name) {
    return testing::TempDir() + "kvstone_spawner_" + std::to_string(getpid()) + "_" + name;
}

/// A number that another process writes as one line.
pid_t number_in(std::string const& path) {
    std::ifstream file(path);
    pid_t pid = 0;
    std::string rest;
    return file >> pid && std::getline(file, rest) && !file.eof() ? pid : 0;
}

class SpawnerTest : public testing::Test {
  protected:
    Spawner spawner;
};

TEST_F(SpawnerTest, CarriesInputOutputAndEnvironmentByteForByte) {
    auto command = shell("cat >&3; printf '\\377\\000\\376' >&3; env >&3; echo out; echo err >&2");
    command.input = std::string(200'000, 'x') + '\n';
    command.environment = {{"ONLY", "this\xff"}};
    auto const outcome = spawner.run(command);
    EXPECT_EQ(outcome.exit_code, 0);
    EXPECT_EQ(outcome.signal, 0);
    ASSERT_THAT(outcome.output, StartsWith(command.input + std::string("\377\000\376", 3)));
    EXPECT_THAT(outcome.output, HasSubstr("ONLY=this\xff\n"));
    EXPECT_THAT(outcome.output, testing::Not(HasSubstr("HOME=")));
    EXPECT_EQ(outcome.stderr_tail, "out\nerr\n");
    EXPECT_GT(outcome.wall_ns, 0);
}

TEST_F(SpawnerTest, TellsHowAChildEnded) {
    EXPECT_EQ(spawner.run(shell("exit 7")).exit_code, 7);
    auto const killed = spawner.run(shell("kill -SEGV $$"));
    EXPECT_EQ(killed.exit_code, -1);
    EXPECT_EQ(killed.signal, SIGSEGV);
    auto const unasked = spawner.run(shell("kill -KILL $$"));
    EXPECT_EQ(unasked.signal, SIGKILL);
    EXPECT_FALSE(unasked.oom_killed);
    EXPECT_FALSE(unasked.timed_out);
    EXPECT_FALSE(unasked.memory_exceeded);
}

TEST_F(SpawnerTest, SaysWhatItCouldNotStart) {
    ChildCommand command;
    command.arguments = {"/nowhere/program"};
    auto const outcome = spawner.run(command);
    EXPECT_EQ(outcome.exit_code, 127);
    EXPECT_EQ(outcome.stderr_tail, "cannot run /nowhere/program: No such file or directory\n");
}

TEST_F(SpawnerTest, GivesAChildDescriptors0To3AndDefaultSignals) {
    auto const outcome = spawner.run(shell("ls /proc/self/fd >&3; grep -E 'SigIgn|SigBlk' /proc/self/status >&3"));
    // ls itself opens 4 to read the folder.
    EXPECT_THAT(outcome.output, StartsWith("0\n1\n2\n3\n4\nSig"));
    EXPECT_THAT(outcome.output, HasSubstr("SigBlk:\t0000000000000000\n"));
    EXPECT_THAT(outcome.output, HasSubstr("SigIgn:\t0000000000000000\n"));
}

TEST_F(SpawnerTest, KillsAtTheTimeLimit) {
    auto command = shell("sleep 1000");
    command.timeout_s = 0.2;
    auto const outcome = spawner.run(command);
    EXPECT_TRUE(outcome.timed_out);
    EXPECT_EQ(outcome.signal, SIGKILL);
    EXPECT_FALSE(outcome.oom_killed);
}

TEST_F(SpawnerTest, KillsAStoppedChildAtTheTimeLimit) {
    auto command = shell("kill -STOP $$");
    command.timeout_s = 0.2;
    EXPECT_TRUE(spawner.run(command).timed_out);
}

TEST_F(SpawnerTest, LeavesNoGrandchildRunning) {
    for (char const* const script : {"sleep 1000 & echo $! >&3", "setsid sleep 1000 & echo $! >&3; sleep 0.2",
                                     "(sleep 1000 & echo $! >&3) & wait"}) {
        auto const outcome = spawner.run(shell(script));
        EXPECT_EQ(outcome.exit_code, 0) << script;
        EXPECT_TRUE(gone(std::stoi(outcome.output))) << script;
        EXPECT_LT(outcome.wall_ns, 30'000'000'000) << "waited for a grandchild that holds the pipes";
    }
}

TEST_F(SpawnerTest, KillsGrandchildrenAtTheTimeLimitToo) {
    auto command = shell("sleep 1000 & echo $! >&3; wait");
    command.timeout_s = 0.3;
    auto const outcome = spawner.run(command);
    EXPECT_TRUE(outcome.timed_out);
    EXPECT_TRUE(gone(std::stoi(outcome.output)));
}

TEST_F(SpawnerTest, KeepsTheTailOfAFlood) {
    auto const outcome =
        spawner.run(shell("yes 0123456789 | head -c 22000000 >&2; printf 'the end' >&2; echo done >&3"));
    EXPECT_EQ(outcome.stderr_tail.size(), 4000U);
    EXPECT_THAT(outcome.stderr_tail, testing::EndsWith("0123456789\nthe end"));
    EXPECT_EQ(outcome.output, "done\n");
}

TEST_F(SpawnerTest, BoundsWhatItKeepsOfTheOutput) {
    auto const outcome = spawner.run(shell("head -c 70000000 /dev/zero >&3"));
    EXPECT_EQ(outcome.exit_code, 0);
    EXPECT_EQ(outcome.output.size(), std::size_t{64} << 20);
}

TEST_F(SpawnerTest, OutlivesAChildThatClosesItsDescriptors) {
    auto command = shell("exec 0<&- 1>&- 2>&- 3>&-; sleep 0.1; exit 5");
    command.input = std::string(1'000'000, 'x');
    auto const outcome = spawner.run(command);
    EXPECT_EQ(outcome.exit_code, 5);
    EXPECT_EQ(outcome.output, "");
}

TEST_F(SpawnerTest, KillsAboveTheMemoryLimitAndTellsThePeak) {
    constexpr std::uint64_t limit = 200'000'000;
    auto command = shell("exec tail /dev/zero");
    command.memory_bytes = limit;
    auto const outcome = spawner.run(command);
    EXPECT_TRUE(outcome.memory_exceeded);
    EXPECT_FALSE(outcome.timed_out);
    EXPECT_FALSE(outcome.oom_killed);
    EXPECT_GT(outcome.peak_rss_bytes, limit);
}

TEST_F(SpawnerTest, AStayBelowTheMemoryLimitIsNoOffence) {
    auto command = shell("dd if=/dev/zero of=/dev/null bs=100000000 count=3; sleep 0.1");
    command.memory_bytes = 200'000'000;
    auto const outcome = spawner.run(command);
    EXPECT_EQ(outcome.exit_code, 0);
    EXPECT_FALSE(outcome.memory_exceeded);
}

TEST_F(SpawnerTest, MakesAllocationsFailAtTheDataLimit) {
    auto command = shell("exec tail /dev/zero");
    command.data_bytes = 100'000'000;
    auto const outcome = spawner.run(command);
    EXPECT_EQ(outcome.exit_code, 1);
    EXPECT_THAT(outcome.stderr_tail, HasSubstr("memory exhausted"));
}

TEST_F(SpawnerTest, ReportsAHelperThatIsGone) {
    auto const parent = spawner.run(shell("echo $PPID >&3"));
    pid_t const helper = std::stoi(parent.output);
    kill(helper, SIGKILL);
    EXPECT_THROW(spawner.run(shell("true")), SystemError);
}

TEST_F(SpawnerTest, ItsChildDiesWithTheHelper) {
    auto const file = scratch_file("child");
    std::thread killer([&] {
        pid_t child = 0;
        comes([&] { return (child = number_in(file)) != 0; });
        std::ifstream status("/proc/" + std::to_string(child) + "/stat");
        std::string text;
        std::getline(status, text);
        pid_t const helper = std::stoi(text.substr(text.rfind(')') + 4));
        kill(helper, SIGKILL);
        EXPECT_TRUE(comes([&] { return gone(child); }));
    });
    EXPECT_THROW(spawner.run(shell("echo $$ > " + file + "; exec sleep 1000")), SystemError);
    killer.join();
    unlink(file.c_str());
}

TEST_F(SpawnerTest, CancelEndsTheWholeTreeAtOnceAndKeepsLaterOnesFromBeginning) {
    for (char const* const script : {"sleep 1000 & echo $! > FILE; wait", "setsid sleep 1000 & echo $! > FILE; wait",
                                     "echo $$ > FILE; kill -STOP $$"}) {
        Spawner mine;
        auto const file = scratch_file("cancelled");
        std::string text = script;
        text.replace(text.find("FILE"), 4, file);
        pid_t descendant = 0;
        std::thread canceller([&] {
            comes([&] { return (descendant = number_in(file)) != 0; });
            mine.cancel();
        });
        auto command = shell(text);
        command.timeout_s = 1000;
        auto const outcome = mine.run(command);
        canceller.join();
        EXPECT_TRUE(outcome.cancelled) << script;
        EXPECT_FALSE(outcome.timed_out) << script;
        EXPECT_FALSE(outcome.oom_killed) << script;
        EXPECT_TRUE(gone(descendant)) << script;
        unlink(file.c_str());
        auto const later = mine.run(shell("echo begun > " + file));
        EXPECT_TRUE(later.cancelled) << script;
        EXPECT_NE(access(file.c_str(), F_OK), 0) << script;
        mine.cancel();
    }
}

TEST_F(SpawnerTest, ACancelThatCameFirstIsNoChildsEnd) {
    spawner.cancel();
    auto const outcome = spawner.run(shell("true"));
    EXPECT_TRUE(outcome.cancelled);
    EXPECT_EQ(outcome.exit_code, -1);
}

TEST_F(SpawnerTest, SignalsThatAskAProgramToEndLeaveTheHelperAlone) {
    auto const parent = spawner.run(shell("echo $PPID >&3"));
    pid_t const helper = std::stoi(parent.output);
    EXPECT_NE(getpgid(helper), getpgrp());
    for (int const signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2}) kill(helper, signal);
    EXPECT_EQ(spawner.run(shell("exit 7")).exit_code, 7);
}

TEST(Spawner, EverythingDiesWithAParentThatIsKilled) {
    auto const child_file = scratch_file("killed_child");
    auto const grandchild_file = scratch_file("killed_grandchild");
    pid_t const parent = fork();
    if (parent == 0) {
        Spawner spawner;
        spawner.run(shell("sleep 1000 & echo $! > " + grandchild_file + "; echo $$ > " + child_file + "; wait"));
        _exit(0);
    }
    pid_t child = 0;
    ASSERT_TRUE(comes([&] { return (child = number_in(child_file)) != 0; }));
    pid_t const grandchild = number_in(grandchild_file);
    ASSERT_GT(grandchild, 0);
    ASSERT_FALSE(gone(child));
    kill(parent, SIGKILL);
    waitpid(parent, nullptr, 0);
    EXPECT_TRUE(comes([&] { return gone(child); }));
    EXPECT_TRUE(comes([&] { return gone(grandchild); }));
    unlink(child_file.c_str());
    unlink(grandchild_file.c_str());
}

TEST(Spawner, PeakMemoryIsTheChildsOwn) {
    Spawner spawner;
    std::vector<char> const large(300'000'000, 'x');  // after the fork: the helper does not have it
    auto const outcome = spawner.run(shell("sleep 0.1"));
    EXPECT_GT(outcome.peak_rss_bytes, 100'000U);
    EXPECT_LT(outcome.peak_rss_bytes, 50'000'000U);
}

TEST(Spawner, ChildrenMayUseEveryCoreUnderAnMpiLauncher) {
    cpu_set_t before;
    sched_getaffinity(0, sizeof before, &before);
    if (CPU_COUNT(&before) < 2) GTEST_SKIP() << "a single processor";
    cpu_set_t one;
    CPU_ZERO(&one);
    for (int processor = 0; CPU_COUNT(&one) == 0; ++processor)
        if (CPU_ISSET(processor, &before)) CPU_SET(processor, &one);
    auto const processors = [] {
        Spawner spawner;
        return std::stoi(spawner.run(shell("nproc >&3")).output);
    };
    sched_setaffinity(0, sizeof one, &one);
    int const pinned = processors();
    setenv("PMIX_RANK", "0", 1);
    int const freed = processors();
    unsetenv("PMIX_RANK");
    sched_setaffinity(0, sizeof before, &before);
    EXPECT_EQ(pinned, 1);
    EXPECT_GE(freed, CPU_COUNT(&before));
}

TEST(Utf8Tail, CutsBetweenCharactersAndReplacesWhatIsNone) {
    EXPECT_EQ(utf8_tail("abc", 3), "abc");
    EXPECT_EQ(utf8_tail("abc", 2), "bc");
    EXPECT_EQ(utf8_tail("\u00e9\u00e9", 3), "\u00e9");
    EXPECT_EQ(utf8_tail("a\xff"
                        "b",
                        100),
              "a\uFFFDb");
}

TEST(ProcessMemory, KnowsItsOwnPeakAndTheMachine) {
    auto const before = own_peak_rss_bytes();
    std::vector<char> large(64 << 20, 'x');
    asm volatile("" : : "g"(large.data()) : "memory");  // or the compiler leaves the allocation out
    EXPECT_GE(own_peak_rss_bytes(), before);
    EXPECT_GT(own_peak_rss_bytes(), large.size());
    EXPECT_GT(available_memory_bytes(), std::uint64_t{1} << 20);
    EXPECT_EQ(oom_kill_count(), oom_kill_count());
}

/// A child of a child, started by another thread: as a shell script that starts a codec.
TEST(ProcessMemory, CountsThoseThatItStartedWhileTheyRun) {
    constexpr std::size_t large_bytes = 64 << 20;
    auto const before = descendants_peak_rss_bytes();
    Pipe ready;
    Pipe wait;
    pid_t child = -1;
    std::jthread starter([&] {
        child = fork();
        if (child == 0) {
            wait.write.reset();
            if (fork() == 0) {
                auto* const large = static_cast<char volatile*>(
                    mmap(nullptr, large_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
                for (std::size_t at = 0; at < large_bytes; at += 4096) large[at] = 1;
                [[maybe_unused]] auto const told = write(ready.write.get(), "x", 1);
            }
            char none = 0;
            [[maybe_unused]] auto const ended = read(wait.read.get(), &none, 1);
            ::wait(nullptr);
            _exit(0);
        }
        char told = 0;
        EXPECT_EQ(read(ready.read.get(), &told, 1), 1);
        EXPECT_GT(descendants_peak_rss_bytes(), before + large_bytes);
        wait.write.reset();
        waitpid(child, nullptr, 0);
    });
    starter.join();
    EXPECT_LT(descendants_peak_rss_bytes(), before + large_bytes);
}

}  // namespace
}  // namespace kvstone
