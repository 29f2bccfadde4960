-- The pool's tables: one text for the embedded engine and for a cluster. {database}, {engine_*},
-- {settings} and {suffix} are filled in by vedette.pool.schema; statements end with ";\n".

-- Everything that was ever seen on the network: kept for ever.
CREATE TABLE IF NOT EXISTS {database}.sightings{suffix}{on_cluster}
(
    field LowCardinality(String),
    value String,
    -- The earliest observation as a whole: its time, and who. The minimum of tuples compares the
    -- time first, so the answer does not depend on the order of arrival.
    earliest SimpleAggregateFunction(min, Tuple(DateTime64(6, 'UTC'), String, String, String)),
    last_seen SimpleAggregateFunction(max, DateTime64(6, 'UTC')),
    count SimpleAggregateFunction(sum, UInt64)
)
ENGINE = {aggregating_sightings}
ORDER BY (field, value){settings};

-- Who showed it, to whom, on which day: kept for the retention.
CREATE TABLE IF NOT EXISTS {database}.observations{suffix}{on_cluster}
(
    field LowCardinality(String),
    value String,
    client String,
    server String,
    sensor LowCardinality(String),
    day Date,
    first_seen SimpleAggregateFunction(min, DateTime64(6, 'UTC')),
    last_seen SimpleAggregateFunction(max, DateTime64(6, 'UTC')),
    count SimpleAggregateFunction(sum, UInt64),
    flow_id SimpleAggregateFunction(max, UInt64),
    INDEX by_client client TYPE bloom_filter GRANULARITY 4
)
ENGINE = {aggregating_observations}
PARTITION BY toYYYYMM(day)
ORDER BY (field, value, client, server, sensor, day){settings};

-- Values that nobody had seen before, in the order in which they came in.
CREATE TABLE IF NOT EXISTS {database}.new_sightings{suffix}{on_cluster}
(
    found_at DateTime64(6, 'UTC'),
    field LowCardinality(String),
    value String,
    first_seen DateTime64(6, 'UTC'),
    client String,
    server String,
    sensor LowCardinality(String)
)
ENGINE = {merging_new_sightings}
PARTITION BY toYYYYMM(found_at)
ORDER BY (found_at, field, value){settings};

-- How much of the past is in the pool: events by sensor and hour.
CREATE TABLE IF NOT EXISTS {database}.coverage{suffix}{on_cluster}
(
    sensor LowCardinality(String),
    hour DateTime('UTC'),
    first_seen SimpleAggregateFunction(min, DateTime64(6, 'UTC')),
    last_seen SimpleAggregateFunction(max, DateTime64(6, 'UTC')),
    events SimpleAggregateFunction(sum, UInt64)
)
ENGINE = {aggregating_coverage}
ORDER BY (sensor, hour){settings};
