-- key: channel_id, day
-- add: received, sent
select tenant_id, data ->> 'channelId' as channel_id, date_trunc('day', recorded_at) as day,
  count(*) filter (where type = 'MessageReceived') as received,
  count(*) filter (where type = 'MessageQueued') as sent
from log.events
where type in ('MessageReceived', 'MessageQueued')
group by 1, 2, 3
