import { describe, expect, it } from 'vitest'
import { feedTypes } from './frames.ts'
import { hearing } from './hearing.ts'

const told = (topics: readonly string[] | null | undefined, granted: readonly string[] = ['*']) => feedTypes.filter(hearing(topics, granted).wants)
const ofMessages = ['message.received', 'message.queued', 'message.status', 'message.reaction', 'message.edited', 'message.revoked']

describe('what a listener is told', () => {
  it('is everything without topics', () => {
    expect(told(undefined)).toEqual(feedTypes)
    expect(told(null)).toEqual(feedTypes)
    expect(told(['*'])).toEqual(feedTypes)
  })
  it('is what its topics name, as a type or as a family in either spelling', () => {
    expect(told(['message'])).toEqual(ofMessages)
    expect(told(['message.*'])).toEqual(ofMessages)
    expect(told(['message.status', 'contact'])).toEqual(['message.status', 'contact.created', 'contact.updated'])
    expect(told(['mess', 'property.updated'])).toEqual([])
  })
  it('is never more than its key may read', () => {
    expect(told(undefined, ['feed:read'])).toEqual([])
    expect(told(undefined, ['feed:read', 'messages:read'])).toEqual(ofMessages)
    expect(told(['message', 'contact'], ['contacts:read'])).toEqual(['contact.created', 'contact.updated'])
    expect(told(['channel'], ['channels:read', 'conversations:read'])).toEqual(['channel.updated'])
    expect(hearing(undefined, ['messages:read']).seesConversations).toBe(false)
    expect(hearing(['message'], ['messages:read', 'conversations:read']).seesConversations).toBe(true)
  })
})
