// How busy are we, and when? Messages per channel and hour (UTC).
import { hourOf, project } from 'recado'

export default project({
  tables: { hours: { channelId: 'text key', hour: 'timestamptz key', received: 'int4', sent: 'int4' } },
  on: {
    MessageReceived: ({ channelId }, at, { hours }) => hours.add({ channelId, hour: hourOf(at.recordedAt) }, { received: 1 }),
    MessageQueued: ({ channelId }, at, { hours }) => hours.add({ channelId, hour: hourOf(at.recordedAt) }, { sent: 1 }),
  },
})
