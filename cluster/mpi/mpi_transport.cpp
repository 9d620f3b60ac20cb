// Transport over MPI: messages of one tag on a communicator of their own.
//
// Receiving polls with sleeps in between: a blocking MPI_Recv spins on a core that may be in use for a timing,
// and hangs for ever where the sender died in an MPI without fault tolerance. Sends are non-blocking for the latter
// reason. With fault tolerance (ULFM; mpirun --with-ft ulfm) a dead rank surfaces as RankLost and the others go on.

#include <algorithm>
#include <chrono>
#include <climits>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <list>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <mpi.h>
#include <sys/prctl.h>
#if __has_include(<mpi-ext.h>)
#include <mpi-ext.h>
#endif

#include "cluster/mpi/module.hpp"

#if defined(MPIX_ERR_PROC_FAILED) && defined(OMPI_HAVE_MPIX_COMM_ACK_FAILED)
#define KVSTONE_MPI_FAULT_TOLERANCE 1
#else
#define KVSTONE_MPI_FAULT_TOLERANCE 0
#endif

namespace kvstone {
namespace {

constexpr int message_tag = 1;
using Clock = std::chrono::steady_clock;

/// Sleeps a fiftieth of the time waited so far, 2 ms at most: a rank that waits for an attempt's end hears of it within
/// 2% of its length, for a quarter of a percent of a core.
class Backoff {
  public:
    void pause() const {
        auto const waited = Clock::now() - start_;
        if (waited < std::chrono::microseconds(50)) {
            std::this_thread::yield();
        } else {
            std::this_thread::sleep_for(std::min<Clock::duration>(waited / 50, std::chrono::milliseconds(2)));
        }
    }
    double waited_s() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

  private:
    Clock::time_point start_ = Clock::now();
};

std::string text_of(int code) {
    char text[MPI_MAX_ERROR_STRING];
    int length = 0;
    MPI_Error_string(code, text, &length);
    return {text, static_cast<std::size_t>(length)};
}

bool says_rank_failed([[maybe_unused]] int code) {
#if KVSTONE_MPI_FAULT_TOLERANCE
    int error_class = MPI_SUCCESS;
    MPI_Error_class(code, &error_class);
    return error_class == MPIX_ERR_PROC_FAILED || error_class == MPIX_ERR_PROC_FAILED_PENDING;
#else
    return false;
#endif
}

class MpiTransport : public Transport {
  public:
    MpiTransport() {
        // Sleeps of a few microseconds otherwise take fifty more.
        prctl(PR_SET_TIMERSLACK, 1000UL);
        int provided = MPI_THREAD_SINGLE;
        must(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided), "MPI_Init_thread");
        if (provided < MPI_THREAD_FUNNELED) throw SystemError("this MPI library does not support threads");
        MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
        must(MPI_Comm_dup(MPI_COMM_WORLD, &communicator_), "MPI_Comm_dup");
        MPI_Comm_set_errhandler(communicator_, MPI_ERRORS_RETURN);
        MPI_Comm_rank(communicator_, &rank_);
        MPI_Comm_size(communicator_, &size_);
    }

    /// Leaves nothing: a rank that ends without leave() has failed, and the launcher then ends the others. To wait for
    /// them here would hold back the words of the exception that is on its way.
    ~MpiTransport() override = default;

    void leave(int exit_code) override {
        if (std::exchange(left_, true)) return;
        for (Backoff backoff; !outgoing_.empty() && backoff.waited_s() < last_sends_s;) {
            progress_sends();
            backoff.pause();
        }
        // Open MPI 6.0.0rc2 waits for ever in one of five runs that lost a rank on the same node.
        double const patience_s = lost_.empty() ? finalize_s : finalize_without_lost_s;
        std::mutex mutex;
        std::condition_variable finalized;
        bool done = false;
        std::thread watch([&] {
            std::unique_lock lock(mutex);
            if (finalized.wait_for(lock, std::chrono::duration<double>(patience_s), [&] { return done; })) return;
            std::fprintf(stderr, "kvstone: rank %d: MPI did not end in %.0f s: left without it\n", rank_, patience_s);
            std::fflush(nullptr);
            std::_Exit(exit_code);
        });
        MPI_Finalize();
        {
            std::lock_guard const lock(mutex);
            done = true;
        }
        finalized.notify_one();
        watch.join();
    }

    int rank() const override { return rank_; }
    int size() const override { return size_; }

    void send(int to, std::string const& body) override {
        if (lost_.contains(to)) throw RankLost(to, "it failed earlier");
        if (body.size() > INT_MAX) throw SystemError(fmt::format("a message of {} bytes is too long", body.size()));
        progress_sends();
        auto& outgoing = outgoing_.emplace_back(Outgoing{to, body, MPI_REQUEST_NULL});
        int const code = MPI_Isend(outgoing.body.data(), static_cast<int>(outgoing.body.size()), MPI_BYTE, to,
                                   message_tag, communicator_, &outgoing.request);
        if (code == MPI_SUCCESS) return;
        outgoing_.pop_back();
        note_failures();
        throw RankLost(to, text_of(code));
    }

    std::optional<Message> receive(double timeout_s) override {
        Backoff const backoff;
        while (true) {
            progress_sends();
            throw_news();
            int arrived = 0;
            MPI_Status status;
            int const code = MPI_Iprobe(MPI_ANY_SOURCE, message_tag, communicator_, &arrived, &status);
            if (says_rank_failed(code)) {
                note_failures();
                continue;
            }
            must(code, "MPI_Iprobe");
            if (arrived != 0) return take(status);
            if (backoff.waited_s() >= timeout_s) return std::nullopt;
            backoff.pause();
        }
    }

    void abort(int exit_code) override {
        std::fflush(nullptr);
        MPI_Abort(MPI_COMM_WORLD, exit_code);
        std::_Exit(exit_code);
    }

  private:
    /// Its body is MPI's until the request is done.
    struct Outgoing {
        int to;
        std::string body;
        MPI_Request request;
    };
    static constexpr double last_sends_s = 10;
    static constexpr double finalize_s = 30;
    static constexpr double finalize_without_lost_s = 5;

    void must(int code, char const* call) const {
        if (code != MPI_SUCCESS) throw SystemError(fmt::format("rank {}: {}: {}", rank_, call, text_of(code)));
    }

    Message take(MPI_Status const& probed) {
        int count = 0;
        MPI_Get_count(&probed, MPI_BYTE, &count);
        Message message{probed.MPI_SOURCE, std::string(static_cast<std::size_t>(count), '\0')};
        int const code =
            MPI_Recv(message.body.data(), count, MPI_BYTE, message.from, message_tag, communicator_, MPI_STATUS_IGNORE);
        if (code != MPI_SUCCESS) {
            note_failures();
            throw_news();
            throw RankLost(message.from, text_of(code));
        }
        return message;
    }

    void progress_sends() {
        for (auto at = outgoing_.begin(); at != outgoing_.end();) {
            int done = 0;
            int const code = MPI_Test(&at->request, &done, MPI_STATUS_IGNORE);
            if (code != MPI_SUCCESS) lose(at->to);
            at = done != 0 || code != MPI_SUCCESS ? outgoing_.erase(at) : std::next(at);
        }
    }

    void lose(int rank) {
        if (lost_.insert(rank).second) news_.insert(rank);
    }

    /// Tells the receiver of each lost rank once.
    void throw_news() {
        if (news_.empty()) return;
        int const rank = *news_.begin();
        news_.erase(news_.begin());
        throw RankLost(rank, "its process or node died");
    }

    /// Learns who failed, and lets receiving from any source go on without them.
    void note_failures() {
#if KVSTONE_MPI_FAULT_TOLERANCE
        MPI_Group failed = MPI_GROUP_NULL;
        if (MPIX_Comm_get_failed(communicator_, &failed) != MPI_SUCCESS) return;
        int count = 0;
        MPI_Group_size(failed, &count);
        int acknowledged = 0;
        MPIX_Comm_ack_failed(communicator_, count, &acknowledged);
        MPI_Group all = MPI_GROUP_NULL;
        MPI_Comm_group(communicator_, &all);
        std::vector<int> in_failed(static_cast<std::size_t>(count));
        std::vector<int> ranks(static_cast<std::size_t>(count));
        for (int i = 0; i < count; ++i) in_failed[static_cast<std::size_t>(i)] = i;
        MPI_Group_translate_ranks(failed, count, in_failed.data(), all, ranks.data());
        for (int const rank : ranks) lose(rank);
        MPI_Group_free(&all);
        MPI_Group_free(&failed);
#endif
    }

    MPI_Comm communicator_ = MPI_COMM_NULL;
    int rank_ = 0;
    int size_ = 1;
    bool left_ = false;
    std::list<Outgoing> outgoing_;
    std::set<int> lost_;
    std::set<int> news_;  ///< lost ranks the receiver has not been told of
};

}  // namespace
}  // namespace kvstone

extern "C" kvstone::Transport* kvstone_open_mpi_transport_2() { return new kvstone::MpiTransport(); }
