-- The pool's tables: one text for the embedded engine, one server, and a cluster.
-- vedette.pool.schema fills in what stands in braces; statements end with ";" at a line's end.

-- Everything that was ever seen on the network: kept for ever.
CREATE TABLE IF NOT EXISTS {database}.sightings{local}{on_cluster}
(
    field LowCardinality(String),
    value String CODEC(ZSTD(1)),
    -- The earliest observation as a whole. The minimum of tuples compares the time first, so the
    -- answer does not depend on the order of arrival.
    earliest SimpleAggregateFunction(min, Tuple(
        first_seen DateTime64(6, 'UTC'), client String, server String, sensor String))
        CODEC(ZSTD(1)),
    last_seen SimpleAggregateFunction(max, DateTime64(6, 'UTC')) CODEC(ZSTD(1)),
    count SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1))
)
ENGINE = {engine:AggregatingMergeTree:sightings}
ORDER BY (field, value)
{settings}
COMMENT 'vedette schema {version}';

-- Who showed it, to whom, on which day: kept for the retention, dropped by the week.
CREATE TABLE IF NOT EXISTS {database}.observations{local}{on_cluster}
(
    field LowCardinality(String),
    value String CODEC(ZSTD(1)),
    client String CODEC(ZSTD(1)),
    server String CODEC(ZSTD(1)),
    sensor LowCardinality(String),
    day Date CODEC(ZSTD(1)),
    first_seen SimpleAggregateFunction(min, DateTime64(6, 'UTC')) CODEC(Delta, ZSTD(1)),
    last_seen SimpleAggregateFunction(max, DateTime64(6, 'UTC')) CODEC(Delta, ZSTD(1)),
    count SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    flow_id SimpleAggregateFunction(max, UInt64) CODEC(ZSTD(1)),
    INDEX by_client client TYPE bloom_filter GRANULARITY 4,
    INDEX by_server server TYPE bloom_filter GRANULARITY 4
)
ENGINE = {engine:AggregatingMergeTree:observations}
PARTITION BY toMonday(day)
ORDER BY (field, value, client, server, sensor, day)
{settings};

-- Values that nobody had seen before, in the order in which they came in: kept for ever.
-- Not partitioned: a batch that is repeated in the next month is still known by its token.
CREATE TABLE IF NOT EXISTS {database}.new_sightings{local}{on_cluster}
(
    found_at DateTime64(6, 'UTC'),
    field LowCardinality(String),
    value String CODEC(ZSTD(1)),
    first_seen DateTime64(6, 'UTC') CODEC(ZSTD(1)),
    client String CODEC(ZSTD(1)),
    server String CODEC(ZSTD(1)),
    sensor LowCardinality(String)
)
ENGINE = {engine:MergeTree:new_sightings}
ORDER BY (found_at, field, value)
{settings};

-- How much of the past is in the pool: events by sensor and hour.
CREATE TABLE IF NOT EXISTS {database}.coverage{local}{on_cluster}
(
    sensor LowCardinality(String),
    hour DateTime('UTC'),
    first_seen SimpleAggregateFunction(min, DateTime64(6, 'UTC')),
    last_seen SimpleAggregateFunction(max, DateTime64(6, 'UTC')),
    events SimpleAggregateFunction(sum, UInt64)
)
ENGINE = {engine:AggregatingMergeTree:coverage}
ORDER BY (sensor, hour)
{settings};
