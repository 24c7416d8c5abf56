-- 0014_lamps.sql: lamps: which node watches one, what its light says, and what people do about it.
-- Why: an episode is told from light and may be told anew at any time; what a person has said about
--   it must stay attached. So the worker alone writes episodes, people alone append actions, and
--   neither can touch the other's. One fault has one episode_id for good.
-- Units: lx; W; factors are ratios; times in UTC; lit and dark are spans of time within a night,
--   which runs from solar noon to solar noon and bears the local date on which it begins.
-- Transaction: yes. Undo: drop the views, tables, functions and the trigger on rollup_mark.

-- A node watches a lamp from from_t on, until the node's next row; the stay at a site ends it too.
CREATE TABLE lamp (
    lamp_id         integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    node_id         text NOT NULL REFERENCES node,
    from_t          timestamptz NOT NULL,
    feeder          text,  -- null: one feeder for all such lamps of the site
    commissioned_lx double precision CHECK (commissioned_lx > 0),  -- night level at the node when new
    -- Average of the survey's grid over the level at the node then: what makes of one point an
    -- estimate of an area.
    survey_factor   double precision CHECK (survey_factor > 0),
    surveyed_on     date,
    survey_uncertainty double precision CHECK (survey_uncertainty >= 0),  -- relative, standard
    lighting_class  text,  -- null: the site's
    rated_w         double precision CHECK (rated_w > 0),
    note            text,
    revoked_at      timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now(),
    CHECK ((survey_factor IS NULL) = (surveyed_on IS NULL))
);
CREATE UNIQUE INDEX lamp_one_at_a_time ON lamp (node_id, from_t) WHERE revoked_at IS NULL;
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON lamp
    FOR EACH ROW EXECUTE FUNCTION audit_change('lamp_id');

-- What is registered of each lamp now, and where it stands.
CREATE VIEW lamp_now AS
SELECT DISTINCT ON (l.node_id) l.*, n.simulated, d.site_id, s.name AS site, s.lab_id, s.tz,
       coalesce(d.latitude, s.latitude) AS latitude,
       coalesce(d.longitude, s.longitude) AS longitude, d.height_m, d.from_t AS deployed_t,
       coalesce(l.lighting_class, s.lighting_class) AS class,
       coalesce(l.feeder, '') AS section
FROM lamp AS l
JOIN node AS n USING (node_id)
JOIN deployment AS d ON d.node_id = l.node_id AND d.from_t <= now()
    AND now() < coalesce(d.to_t, 'infinity')
JOIN site AS s USING (site_id)
WHERE l.revoked_at IS NULL AND l.from_t <= now()
ORDER BY l.node_id, l.from_t DESC;

-- Hours of light that changed at lamps: whoever tells their state reads them and takes them away.
CREATE TABLE lamp_mark (
    mark_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    node_id text NOT NULL,
    hour    timestamptz NOT NULL
);
CREATE FUNCTION mark_lamps() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    INSERT INTO lamp_mark (node_id, hour)
        SELECT m.node_id, m.hour FROM new_marks AS m
        WHERE m.stream = 'light'
          AND EXISTS (SELECT FROM lamp AS l WHERE l.node_id = m.node_id AND l.revoked_at IS NULL);
    RETURN NULL;
END $$;
CREATE TRIGGER mark_lamps AFTER INSERT ON rollup_mark REFERENCING NEW TABLE AS new_marks
    FOR EACH STATEMENT EXECUTE FUNCTION mark_lamps();

-- Another lamp row makes another lamp of all its light.
CREATE FUNCTION wake_for_lamp() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM pg_notify('msl_work', '');
    RETURN NULL;
END $$;
CREATE TRIGGER wake AFTER INSERT OR UPDATE OR DELETE ON lamp
    FOR EACH STATEMENT EXECUTE FUNCTION wake_for_lamp();

CREATE TABLE lamp_state (
    node_id    text PRIMARY KEY REFERENCES node,
    state      text NOT NULL CHECK (state IN ('lit', 'out', 'day', 'can''t tell', 'no data')),
    at_t       timestamptz,  -- the newest sample that says so; null: none yet
    since_t    timestamptz,
    learned    boolean NOT NULL,  -- false: no switching lamp was recognised in its light yet
    changed_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE lamp_night (
    node_id        text NOT NULL REFERENCES node,
    night          date NOT NULL,
    site_id        text NOT NULL REFERENCES site,
    noon_t         timestamptz NOT NULL,
    dark_from_t    timestamptz,  -- sun under -6 degrees, from and to; null: it doesn't get there
    dark_to_t      timestamptz,
    lit            tstzmultirange NOT NULL,
    dark           tstzmultirange NOT NULL,  -- what is in neither can't be told
    on_t           timestamptz,
    on_deg         real,
    off_t          timestamptz,
    off_deg        real,
    expected_on_t  timestamptz,
    expected_off_t timestamptz,
    habit_on_deg   real,
    habit_off_deg  real,
    level          real,
    level_lx       real,
    coverage       real NOT NULL,
    burning_s      integer NOT NULL,
    switch_ons     integer NOT NULL,
    PRIMARY KEY (node_id, night)
);
CREATE INDEX lamp_night_site ON lamp_night (site_id, night);

CREATE TABLE lamp_episode (
    episode_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    node_id      text NOT NULL REFERENCES node,
    site_id      text NOT NULL REFERENCES site,
    kind         text NOT NULL CHECK (kind IN ('lampFailure', 'lampUnexpectedOn',
                     'cyclingFailure', 'levelTooLow', 'switchingEarly', 'switchingLate',
                     'feederFault')),
    source       text NOT NULL DEFAULT 'optical-inferred' CHECK (source = 'optical-inferred'),
    from_t       timestamptz NOT NULL,
    to_t         timestamptz CHECK (to_t >= from_t),  -- null: the light says that it lasts
    raised_t     timestamptz NOT NULL,
    confidence   real NOT NULL CHECK (confidence BETWEEN 0 AND 1),
    evidence     jsonb NOT NULL,
    closed_by    text,     -- what in the light ended it
    lamps        text[] NOT NULL DEFAULT '{}',  -- all of a feeder fault
    told_at      timestamptz NOT NULL DEFAULT now(),
    -- The light, looked at again, doesn't say so: a false alarm, or one with another name now.
    retracted_at timestamptz
);
CREATE INDEX lamp_episode_node ON lamp_episode (node_id, kind, from_t);
CREATE INDEX lamp_episode_open ON lamp_episode (site_id) WHERE to_t IS NULL
    AND retracted_at IS NULL;

-- What people do about it; appended, never changed: the trail is the state.
CREATE TABLE lamp_action (
    action_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    episode_id bigint NOT NULL REFERENCES lamp_episode,
    at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor      text NOT NULL CHECK (length(actor) BETWEEN 1 AND 100),
    action     text NOT NULL
               CHECK (action IN ('acknowledge', 'assign', 'note', 'close', 'reopen')),
    assignee   text CHECK (length(assignee) BETWEEN 1 AND 100),
    note       text CHECK (length(note) BETWEEN 1 AND 1000),
    CHECK ((action = 'assign') = (assignee IS NOT NULL)),
    CHECK (action NOT IN ('note', 'close') OR note IS NOT NULL)
);
CREATE INDEX lamp_action_episode ON lamp_action (episode_id, action_id);

-- Episodes with what became of them. A close by hand stands until somebody reopens; an
-- acknowledgement falls with a close.
CREATE VIEW lamp_duty AS
SELECT e.*, a.acknowledged_by, a.acknowledged_at, a.assignee, c.closed_at, c.closer, c.closing_note,
       CASE WHEN e.retracted_at IS NOT NULL THEN 'retracted'
            WHEN c.closed_at IS NOT NULL THEN 'closed'
            WHEN e.to_t IS NOT NULL THEN 'over'
            WHEN a.acknowledged_at IS NOT NULL THEN 'acknowledged'
            ELSE 'open' END AS status
FROM lamp_episode AS e
LEFT JOIN LATERAL (
    SELECT x.at AS closed_at, x.actor AS closer, x.note AS closing_note
    FROM lamp_action AS x WHERE x.episode_id = e.episode_id AND x.action = 'close'
      AND NOT EXISTS (SELECT FROM lamp_action AS y WHERE y.episode_id = e.episode_id
                      AND y.action = 'reopen' AND y.action_id > x.action_id)
    ORDER BY x.action_id DESC LIMIT 1) AS c ON true
LEFT JOIN LATERAL (
    SELECT (array_agg(x.actor ORDER BY x.action_id DESC)
                FILTER (WHERE x.action = 'acknowledge'))[1] AS acknowledged_by,
           max(x.at) FILTER (WHERE x.action = 'acknowledge') AS acknowledged_at,
           (array_agg(x.assignee ORDER BY x.action_id DESC)
                FILTER (WHERE x.action = 'assign'))[1] AS assignee
    FROM lamp_action AS x WHERE x.episode_id = e.episode_id
      AND x.action_id > coalesce((SELECT max(y.action_id) FROM lamp_action AS y
          WHERE y.episode_id = e.episode_id AND y.action = 'reopen'), 0)) AS a ON true;

-- In which order a city wants its faults done; one row a lab, the defaults where it has none.
CREATE TABLE duty_rules (
    lab_id           text PRIMARY KEY REFERENCES lab,
    points_by_kind   jsonb NOT NULL,
    points_by_class  jsonb NOT NULL,
    adjacent_from    integer NOT NULL CHECK (adjacent_from >= 2),
    adjacent_points  double precision NOT NULL CHECK (adjacent_points >= 0),
    points_per_day   double precision NOT NULL CHECK (points_per_day >= 0),
    days_counted     double precision NOT NULL CHECK (days_counted >= 0),
    repair_within_days double precision NOT NULL CHECK (repair_within_days > 0)
);
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON duty_rules
    FOR EACH ROW EXECUTE FUNCTION audit_change('lab_id');

-- What the one notifier has to say, once each: the subject, what happened to it, the how manieth
-- time; and to whom it went.
CREATE TABLE notice (
    notice_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subject    text NOT NULL,
    about      text NOT NULL CHECK (about IN ('lamp', 'node', 'stream')),
    event      text NOT NULL CHECK (event IN ('begun', 'over', 'escalated')),
    begun_t    timestamptz NOT NULL,  -- of the trouble: the same subject may fall ill again
    site_id    text REFERENCES site,
    node_id    text REFERENCES node,
    urgent     boolean NOT NULL,
    text       text NOT NULL,
    payload    jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (subject, begun_t, event)
);
CREATE INDEX notice_created ON notice (created_at);
CREATE TABLE notice_delivery (
    notice_id   bigint NOT NULL REFERENCES notice ON DELETE CASCADE,
    channel     text NOT NULL,
    due_at      timestamptz NOT NULL,
    tries_n     integer NOT NULL DEFAULT 0,
    sent_at     timestamptz,
    dropped_at  timestamptz,  -- over before it was said, or given up
    last_error  text,
    PRIMARY KEY (notice_id, channel)
);
CREATE INDEX notice_delivery_due ON notice_delivery (due_at)
    WHERE sent_at IS NULL AND dropped_at IS NULL;

GRANT SELECT, INSERT, UPDATE (revoked_at) ON lamp TO msl_api;
GRANT SELECT ON lamp_now, lamp_state, lamp_night, lamp_episode, lamp_action, lamp_duty, duty_rules,
    notice, notice_delivery TO msl_api;
GRANT INSERT ON lamp_action TO msl_api;
GRANT INSERT, UPDATE ON duty_rules TO msl_api;
GRANT SELECT ON lamp, lamp_now, lamp_action, lamp_duty, duty_rules TO msl_worker;
GRANT SELECT, DELETE ON lamp_mark TO msl_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON lamp_state, lamp_night TO msl_worker;
GRANT SELECT, INSERT, UPDATE ON lamp_episode, notice, notice_delivery TO msl_worker;
GRANT DELETE ON notice, notice_delivery TO msl_worker;

-- For dashboards.
CREATE VIEW dash.lamps AS
SELECT l.node_id, l.site_id, l.site, l.simulated, l.latitude, l.longitude, l.feeder, l.class,
       l.commissioned_lx, l.survey_factor, l.surveyed_on, l.rated_w,
       coalesce(x.state, 'no data') AS state, x.at_t, x.since_t, coalesce(x.learned, false) AS learned,
       (SELECT count(*) FROM lamp_duty AS d WHERE d.node_id = l.node_id
          AND d.status IN ('open', 'acknowledged')) AS open_n
FROM lamp_now AS l LEFT JOIN lamp_state AS x USING (node_id);

CREATE VIEW dash.lamp_episodes AS
SELECT d.episode_id, d.node_id, d.site_id, s.name AS site, n.simulated, d.kind, d.source, d.from_t,
       d.to_t, d.raised_t, d.confidence::double precision AS confidence, d.closed_by, d.status,
       d.acknowledged_at, d.closed_at,
       extract(epoch FROM coalesce(d.to_t, now()) - d.from_t)::double precision AS lasts_s
FROM lamp_duty AS d JOIN site AS s USING (site_id) JOIN node AS n USING (node_id)
WHERE d.status <> 'retracted';

-- t is the night's solar noon. dark_s: seconds of sun under -6 degrees; failed_s: those within an
-- episode of a lamp, or its feeder, that is out.
CREATE VIEW dash.lamp_nights AS
SELECT k.noon_t AS t, k.night, k.node_id, k.site_id, s.name AS site, n.simulated,
       k.on_t, k.on_deg::double precision AS on_deg, k.off_t, k.off_deg::double precision AS off_deg,
       extract(epoch FROM k.on_t - k.expected_on_t)::double precision AS on_late_s,
       extract(epoch FROM k.off_t - k.expected_off_t)::double precision AS off_late_s,
       k.level::double precision AS level, k.level_lx::double precision AS level_lx,
       k.coverage::double precision AS coverage, k.burning_s, k.switch_ons,
       extract(epoch FROM k.dark_to_t - k.dark_from_t)::double precision AS dark_s,
       (SELECT coalesce(sum(extract(epoch FROM upper(r) - lower(r))), 0)
        FROM unnest(k.lit * tstzmultirange(tstzrange(k.dark_from_t, k.dark_to_t))) AS r
       )::double precision AS lit_s,
       (SELECT coalesce(sum(extract(epoch FROM upper(r) - lower(r))), 0)
        FROM unnest((SELECT range_agg(tstzrange(e.from_t, e.to_t)) FROM lamp_episode AS e
                     WHERE e.node_id = k.node_id AND e.retracted_at IS NULL
                       AND e.kind IN ('lampFailure', 'feederFault')
                       AND e.from_t < k.dark_to_t AND coalesce(e.to_t, 'infinity') > k.dark_from_t)
                    * tstzmultirange(tstzrange(k.dark_from_t, k.dark_to_t))) AS r
       )::double precision AS failed_s
FROM lamp_night AS k JOIN site AS s USING (site_id) JOIN node AS n USING (node_id);

GRANT SELECT ON dash.lamps, dash.lamp_episodes, dash.lamp_nights TO msl_grafana, msl_api;
