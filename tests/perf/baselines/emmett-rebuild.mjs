// emmett-postgresql's rebuild of projections: `node emmett-rebuild.mjs migrate <url>`, then `node emmett-rebuild.mjs rebuild <url> <read models> <page>`
// prints { seconds, documents } as JSON. Written as its documentation has it: documents by pongo, a single-stream projection for what is one stream and a multi-stream
// one for what is one of many documents of a stream, `rebuildPostgreSQLProjections`. The folds do less than ours do (fewer columns, no history of statuses).
import {
  getPostgreSQLEventStore,
  pongoMultiStreamProjection,
  pongoSingleStreamProjection,
  rebuildPostgreSQLProjections,
} from '@event-driven-io/emmett-postgresql'
import pg from 'pg'

const [what, url, names = '', page = '100'] = process.argv.slice(2)
const messageEvents = ['MessageReceived', 'MessageQueued', 'SendAttempted', 'SendAccepted', 'MessageStatusChanged']

const conversations = pongoSingleStreamProjection({
  collectionName: 'conversations',
  canHandle: ['ConversationStarted', 'ConversationRead', ...messageEvents],
  evolve(document, { type, data }) {
    switch (type) {
      case 'ConversationStarted':
        return { channelId: data.channelId, contactId: data.contactId, status: 'open', unreadCount: 0 }
      case 'ConversationRead':
        return { ...document, unreadCount: data.unread }
      case 'MessageReceived':
      case 'MessageQueued':
        return {
          ...document,
          unreadCount: document.unreadCount + (type === 'MessageReceived' ? 1 : 0),
          lastMessageId: data.messageId,
          lastMessageContent: data.content.sealed,
          lastMessageStatus: type === 'MessageReceived' ? 'received' : 'queued',
        }
      default:
        return data.messageId === document.lastMessageId ? { ...document, lastMessageStatus: data.status ?? type } : document
    }
  },
})

const messages = pongoMultiStreamProjection({
  collectionName: 'messages',
  canHandle: messageEvents,
  getDocumentId: ({ data }) => data.messageId,
  evolve(document, { type, data }) {
    switch (type) {
      case 'MessageReceived':
      case 'MessageQueued':
        return { ...data, content: data.content.sealed, status: type === 'MessageReceived' ? 'received' : 'queued' }
      default:
        return { ...document, status: data.status ?? type, providerId: data.providerId ?? document.providerId }
    }
  },
})

if (what === 'migrate') {
  const store = getPostgreSQLEventStore(url)
  await store.schema.migrate()
  await store.close()
} else {
  const chosen = Object.entries({ conversations, messages }).flatMap(([name, projection]) => (names.split(',').includes(name) ? [projection] : []))
  const consumer = rebuildPostgreSQLProjections({
    connectionString: url,
    projections: chosen,
    pulling: { batchSize: Number(page) },
  })
  const began = performance.now()
  await consumer.start()
  const seconds = (performance.now() - began) / 1000
  await consumer.close()
  const client = new pg.Client(url)
  await client.connect()
  const documents = {}
  for (const name of names.split(',')) documents[name] = Number((await client.query(`select count(*) from ${name}`)).rows[0].count)
  await client.end()
  console.log(JSON.stringify({ seconds, documents }))
}
process.exit(0)
