-- Read models that are fed by Kafka (src/adapters/kafka/feed.ts).

-- How much of the log is in a topic: every event at or before `position` is, in front of `ends` (the offset behind the last of them, per partition); every
-- later one is behind it. Written by the publisher in the transaction of its checkpoint, which fences it. A partition that is quiet says nothing by
-- itself: this is what tells a reader that nothing is missing from it.
create table es.topic_watermarks (
  topic text collate "C" primary key,
  position bigint not null,
  ends bigint[] not null,
  updated_at timestamptz not null default clock_timestamp()
) with (fillfactor = 50, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0);

-- Where the source of a subscription goes on behind its checkpoint, in the source's own terms (for Kafka: an offset per partition). Written in the
-- transaction that moves the checkpoint; good only together with the very position it was written with. Whoever moves a subscription without it
-- (a rebuild, a switch) leaves a place that is not used any more, and the source finds its place from the position.
create table es.source_places (
  name text collate "C" primary key,
  position bigint not null,
  place text not null
) with (fillfactor = 50, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0);

-- Never backwards: a statement that was answered late must not take back what a later one said.
create function es.raise_watermark(of_topic text, to_position bigint, to_ends bigint[]) returns void language sql as $$
  insert into es.topic_watermarks as w (topic, position, ends) values (of_topic, to_position, to_ends)
  on conflict (topic) do update set position = excluded.position, ends = excluded.ends, updated_at = clock_timestamp()
    where w.position <= excluded.position;
  select pg_notify('es_topics', of_topic || ' ' || to_position || ' ' || array_to_string(to_ends, ','))
  where length(array_to_string(to_ends, ',')) < 7000;
$$;
revoke execute on function es.raise_watermark from public;
grant execute on function es.raise_watermark to recado_worker;
grant select, insert, update on es.topic_watermarks, es.source_places to recado_worker;
