// How long do customers wait for an answer? One row per answer.
import { project, secondsBetween } from 'recado'

export default project({
  tables: { waiting: { conversation: 'text key', since: 'timestamptz' }, answers: { conversation: 'text', askedAt: 'timestamptz', seconds: 'int4' } },
  on: {
    MessageReceived: ({ at }, { stream: { id } }, { waiting }) =>
      waiting.get({ conversation: id }) ?? waiting.set({ conversation: id }, { since: at }),
    MessageQueued: (_, { stream: { id }, recordedAt }, { waiting, answers }) => {
      const since = waiting.take({ conversation: id })?.since
      if (since) answers.insert({ conversation: id, askedAt: since, seconds: secondsBetween(since, recordedAt) })
    },
  },
})
