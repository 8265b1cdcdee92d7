"""The report's queries: from the ledger's rows to figures, in DuckDB.

Owns: the SQL. Events repeat in Kafka after a relay was killed, so the first step drops repeats by `event_id`; from
then on there is one row per event (`events`) and one per ticket (`tickets`). Values come in as parameters only.
"""

COLUMNS = """event_id VARCHAR, type VARCHAR, ticket_id VARCHAR, seq BIGINT, "at" TIMESTAMPTZ, department VARCHAR,
    from_department VARCHAR, outcome VARCHAR, due_at TIMESTAMPTZ, reason VARCHAR"""

NO_EVENTS = f"CREATE TABLE events ({COLUMNS})"

# A repeat is the same event, so it does not matter which one stays. Earlier events than the period's first moment
# belong to earlier tickets and need not be read.
READ_EVENTS = """
INSERT INTO events
SELECT DISTINCT ON (event_id)
    event_id, type, ticket_id, seq, "at", department, from_department, outcome, due_at, reason
FROM read_parquet($files, union_by_name = true, hive_partitioning = false)
WHERE brand = $brand AND "at" >= coalesce($since, "at")
"""

TICKETS = """
CREATE TABLE tickets AS
WITH opened AS (
    SELECT ticket_id, "at" AS opened_at, department AS first_department, due_at
    FROM events
    WHERE type = 'ticket.opened' AND "at" < coalesce($until, "at" + INTERVAL 1 SECOND)
), route AS (
    SELECT ticket_id, row_number() OVER (PARTITION BY ticket_id, department ORDER BY seq) > 1 AS returned
    FROM events
    WHERE type IN ('ticket.opened', 'ticket.transferred')
), returned AS (
    SELECT ticket_id, bool_or(returned) AS ping_pong FROM route GROUP BY ticket_id
), life AS (
    SELECT
        ticket_id,
        arg_max(department, seq) AS owner,
        count(*) FILTER (type IN ('ticket.opened', 'mention.appended')) AS mentions,
        min("at") FILTER (type = 'ticket.claimed') AS claimed_at,
        arg_min(department, seq) FILTER (type = 'ticket.claimed') AS claimed_by,
        count(*) FILTER (type = 'ticket.transferred') AS transfers,
        min("at") FILTER (type = 'ticket.resolved') AS ended_at,
        arg_min(outcome, seq) FILTER (type = 'ticket.resolved') AS outcome
    FROM events
    WHERE ticket_id IS NOT NULL
    GROUP BY ticket_id
)
SELECT
    opened.*, life.* EXCLUDE (ticket_id), returned.ping_pong,
    coalesce(outcome = 'withdrawn', false) AS withdrawn,
    coalesce(ended_at, $now) > due_at AS missed,
    (epoch_us(claimed_at) - epoch_us(opened_at)) / 1e6 AS to_claim,
    (epoch_us(ended_at) - epoch_us(opened_at)) / 1e6 AS to_end
FROM opened JOIN life USING (ticket_id) JOIN returned USING (ticket_id)
"""

BY_FIRST_DEPARTMENT = """
SELECT
    first_department AS department,
    count(*) AS opened,
    sum(mentions)::BIGINT AS mentions,
    count(*) FILTER (claimed_at IS NOT NULL AND transfers = 0) AS first_touch_part,
    count(*) FILTER (claimed_at IS NOT NULL) AS first_touch_whole,
    count(*) FILTER (ping_pong) AS ping_pong
FROM tickets
GROUP BY GROUPING SETS ((first_department), ())
"""

BY_CLAIMER = """
SELECT
    claimed_by AS department,
    count(*) AS first_claim_count,
    quantile_cont(to_claim, 0.5) AS first_claim_median,
    quantile_cont(to_claim, 0.9) AS first_claim_p90
FROM tickets
WHERE claimed_at IS NOT NULL
GROUP BY GROUPING SETS ((claimed_by), ())
"""

BY_OWNER = """
SELECT
    owner AS department,
    count(*) FILTER (ended_at IS NULL) AS open_now,
    count(*) FILTER (ended_at IS NULL AND missed) AS overdue_now,
    count(*) FILTER (ended_at IS NOT NULL AND NOT withdrawn) AS resolved,
    count(*) FILTER (withdrawn) AS withdrawn,
    quantile_cont(to_end, 0.5) FILTER (NOT withdrawn) AS resolution_median,
    quantile_cont(to_end, 0.9) FILTER (NOT withdrawn) AS resolution_p90,
    count(*) FILTER (ended_at IS NOT NULL AND NOT withdrawn AND NOT missed) AS deadlines_part,
    count(*) FILTER (missed OR (ended_at IS NOT NULL AND NOT withdrawn)) AS deadlines_whole
FROM tickets
GROUP BY GROUPING SETS ((owner), ())
"""

OUTCOMES = """
SELECT owner AS department, outcome, count(*) AS number
FROM tickets
WHERE outcome IS NOT NULL
GROUP BY GROUPING SETS ((owner, outcome), (outcome))
ORDER BY number DESC, outcome
"""

HANDOVERS = """
SELECT from_department, department AS to_department, count(*) AS number
FROM events
WHERE type = 'ticket.transferred' AND ticket_id IN (SELECT ticket_id FROM tickets)
GROUP BY ALL
ORDER BY number DESC, from_department, to_department
"""

DISCARDED = """
SELECT reason, count(*) AS number
FROM events
WHERE type = 'mention.discarded' AND reason IS NOT NULL AND "at" < coalesce($until, "at" + INTERVAL 1 SECOND)
GROUP BY reason
ORDER BY number DESC, reason
"""

NEWEST = 'SELECT epoch_us(max("at")) AS newest FROM events'
