#pragma once
// One reading statement, checked, limited in time and read row by row.

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "results/query/query.hpp"

namespace kvstone {

/// Time limit of statements that may read for as long as they need.
inline constexpr double unlimited_s = 1e8;

class Reading {
  public:
    /// Throws ConfigError with SQLite's words where the statement is wrong, writes, or has several statements.
    Reading(Store const& store, std::string sql, double time_limit_s);
    ~Reading();
    Reading(Reading const&) = delete;
    Reading& operator=(Reading const&) = delete;

    /// Binds all parameters in order. Throws ConfigError where the statement has another number of them.
    void bind(std::vector<QueryValue> const& parameters);
    /// Binds ":name"; false where the statement has no such parameter.
    bool bind(std::string const& name, QueryValue const& value);

    std::vector<std::string> const& columns() const { return columns_; }
    /// True where `row` holds the next row. Throws ConfigError beyond the time limit and where the statement fails.
    bool next(std::vector<QueryValue>& row);

  private:
    void bind(int index, QueryValue const& value);

    struct Parts;
    std::string sql_;
    double time_limit_s_;
    std::deque<QueryValue> bound_;  ///< SQLite keeps pointers to these texts
    std::unique_ptr<Parts> parts_;
    std::vector<std::string> columns_;
};

}  // namespace kvstone
