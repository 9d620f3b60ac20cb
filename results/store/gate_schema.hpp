#pragma once

#include <string_view>

namespace kvstone {

/// Tables of gates: questions, decisions, and all evidence that is needed to decide again.
inline constexpr std::string_view gate_tables = R"sql(
CREATE TABLE gate_run(
  id INTEGER PRIMARY KEY,
  uid TEXT NOT NULL UNIQUE,
  kind TEXT NOT NULL CHECK (kind IN ('stored', 'run', 'calibration')),
  started_utc TEXT NOT NULL,
  finished_utc TEXT NOT NULL,
  policy_name TEXT NOT NULL,
  policy_path TEXT NOT NULL,
  policy TEXT NOT NULL,
  base TEXT,
  head TEXT NOT NULL,
  settings TEXT NOT NULL,
  hardware_class TEXT NOT NULL,
  judgement TEXT NOT NULL,
  exit_code INTEGER NOT NULL
) STRICT;
CREATE TABLE decision(
  gate_run INTEGER NOT NULL REFERENCES gate_run(id) ON DELETE CASCADE,
  number INTEGER NOT NULL,
  rule TEXT NOT NULL,
  cell TEXT,
  codec_name TEXT,
  component TEXT,
  metric TEXT,
  base REAL,
  head REAL,
  change REAL,
  low REAL,
  high REAL,
  screen_p REAL,
  confirm_p REAL,
  detectable REAL,
  target REAL,
  judgement TEXT NOT NULL,
  why TEXT NOT NULL,
  waiver TEXT,
  PRIMARY KEY (gate_run, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX decision_cell ON decision(cell, gate_run);
CREATE TABLE gate_attempt(
  gate_run INTEGER NOT NULL REFERENCES gate_run(id) ON DELETE CASCADE,
  number INTEGER NOT NULL,
  cell TEXT NOT NULL,
  stage TEXT NOT NULL CHECK (stage IN ('probe', 'screen', 'confirm')),
  block INTEGER NOT NULL,
  position INTEGER NOT NULL,
  side TEXT NOT NULL CHECK (side IN ('A', 'B')),
  launch INTEGER NOT NULL,
  status TEXT NOT NULL,
  measurement TEXT NOT NULL,
  PRIMARY KEY (gate_run, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE waiver(
  gate_run INTEGER NOT NULL REFERENCES gate_run(id) ON DELETE CASCADE,
  number INTEGER NOT NULL,
  rule TEXT,
  cells TEXT NOT NULL,
  until TEXT NOT NULL,
  reason TEXT NOT NULL,
  expired INTEGER NOT NULL CHECK (expired IN (0, 1)),
  decisions INTEGER NOT NULL,
  PRIMARY KEY (gate_run, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE baseline(
  name TEXT PRIMARY KEY,
  campaign TEXT NOT NULL,
  set_utc TEXT NOT NULL,
  gate_run TEXT
) STRICT;
)sql";

}  // namespace kvstone
