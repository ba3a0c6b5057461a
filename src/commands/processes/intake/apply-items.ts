import { conversation, conversationId, inboundMessageId, type ConversationCommand } from '../../../domain/conversation/conversation.ts'
import type { CommandContext } from '../../../domain/kernel/context.ts'
import { derivedId } from '../../../domain/kernel/ids.ts'
import type { MeetContact, Person } from '../../contacts/meet-contact.ts'
import { createStopMarketing, saysStop } from '../../contacts/stop-marketing.ts'
import type { ItemFailure } from '../../deliveries/record-trouble.ts'
import type { Routes } from '../../deliveries/route-delivery.ts'
import { atMost } from '../../kernel/at-most.ts'
import type { Commands } from '../../kernel/execute.ts'
import type { HearReportedTrouble } from '../channels/reported-trouble.ts'
import type { EarlyStatus, IntakeMemory } from './memory.ts'
import type { ChangeItem, ContactItem, Item, MessageItem, NewsItem, RecordedItem, StatusItem } from './meta/items.ts'
import { peopleOfPage } from './people-of-page.ts'
import { isPoison } from './poison.ts'

/** An item and the delivery it came with. */
export type Received = { readonly tenantId: string; readonly deliveryId: string; readonly causationId: string; readonly item: Item }

type ReceivedOf<One extends Item> = Received & { readonly item: One }

export type ReceivedNews = { readonly received: ReceivedOf<NewsItem>; readonly context: CommandContext }

/**
 * What is done with items that concern no conversation. Both may be repeated any number of times; both throw what `isPoison` tells apart.
 * `news`: those of one account, in order.
 */
export type IntakeHandlers = {
  readonly contact: (received: ReceivedOf<ContactItem>, context: CommandContext) => Promise<void>
  readonly news: (all: readonly ReceivedNews[]) => Promise<void>
  readonly failedReport: HearReportedTrouble
}

export type Failure = ItemFailure

/** What could not be applied: early statuses wait for their message, unknown numbers for their channel, failures for a person. */
export type Leftover = { readonly early: EarlyStatus[]; readonly unknownNumbers: Received[]; readonly failures: Failure[] }

type Addressed = {
  readonly conversationId: string
  /** Of somebody whom nobody here has met: probably there is no conversation either. */
  readonly isNew?: boolean
  readonly received: Received
  readonly command: ConversationCommand
  readonly context: CommandContext
}

/**
 * Items → commands. One conversation's commands run in the order of the log, as one append; conversations do not wait for each other.
 * Every command id derives from what the provider calls the thing, so any repeat, in any company, is the same command.
 * A poison item fails alone: its neighbours in the conversation and in the delivery are applied.
 * @throws whatever is not the item's own fault (the store or the database is away): nothing is lost, the same items may be applied again.
 */
export function createApplyItems({
  commands,
  meetContact,
  routes,
  memory,
  handlers,
}: {
  commands: Commands
  meetContact: MeetContact
  routes: Routes
  memory: IntakeMemory
  handlers: IntakeHandlers
}): (items: readonly Received[]) => Promise<Leftover> {
  const stopMarketing = createStopMarketing({ commands })

  return async (items) => {
    const leftover: Leftover = { early: [], unknownNumbers: [], failures: [] }
    await memory.prepare(
      items.flatMap(({ tenantId, item }) =>
        item.kind === 'status' ? [{ tenantId, callbackId: item.callbackId, providerId: item.report.providerId }] : [],
      ),
    )
    await hearOfPeople(items, leftover)
    const addressed = await addressesOf(items, leftover)
    const conversations = Map.groupBy(
      items.flatMap((received) => addressed.get(received) ?? []),
      (one) => `${one.context.tenantId} ${one.conversationId}`,
    )
    await atMost(atOnce, [...conversations.values()], async (all) => {
      for (const part of portions(all)) await applyTo(part, leftover)
    })
    await hearOfAccounts(items, leftover)
    for (const { item, ...received } of items)
      if (item.kind === 'status' && item.report.error !== undefined) await hearOfTrouble({ ...received, item })
    return leftover
  }

  /**
   * Who somebody is now decides where their messages belong; so that comes first, and for each person in its own order. People do not wait for each other:
   * an address book has thousands, and each of them is a few appends that commit together with the others'.
   */
  async function hearOfPeople(items: readonly Received[], leftover: Leftover): Promise<void> {
    const people = peopleOfPage(
      items.flatMap((received) => (received.item.kind === 'contact' ? [{ received, item: received.item }] : [])),
      ({ received: { tenantId }, item: { person, news } }) => ({
        tenantId,
        persons: news.kind === 'identity_replaced' ? [person, news.now] : [person],
      }),
    )
    await atMost(peopleAtOnce, people, async (person) => {
      for (const { received } of person) await hearOfPerson(received, leftover)
    })
  }

  async function hearOfPerson(received: Received, leftover: Leftover): Promise<void> {
    const { item } = received
    if (item.kind !== 'contact') return
    if (routes.channelOfNumber(item.phoneNumberId)?.tenantId !== received.tenantId) {
      leftover.unknownNumbers.push(received)
      return
    }
    try {
      await handlers.contact({ ...received, item }, contextOf(received, derivedId(item.kind, received.deliveryId, item.path), item.at))
    } catch (error) {
      if (!isPoison(error)) throw error
      leftover.failures.push(failureOf(received, error))
    }
  }

  /** Whoever the message was for, and whether it is known here: what stops a whole channel stops the next message too. */
  async function hearOfTrouble(received: ReceivedOf<StatusItem>): Promise<void> {
    const { report, phoneNumberId } = received.item
    const channel = routes.channelOfNumber(phoneNumberId)
    if (channel?.tenantId !== received.tenantId || report.error === undefined) return
    const context = contextOf(received, derivedId('trouble', report.providerId, report.error.code), report.at)
    await handlers.failedReport({ channelId: channel.channelId, error: report.error, at: report.at }, context)
  }

  /** Most accounts have a handful of news in a week; one whose customers click on a campaign, or whose messages another partner sees too, has thousands in an hour. */
  async function hearOfAccounts(items: readonly Received[], leftover: Leftover): Promise<void> {
    const news = items.flatMap((received): ReceivedNews[] => {
      const { item, deliveryId } = received
      return item.kind === 'news'
        ? [{ received: { ...received, item }, context: contextOf(received, derivedId(item.kind, deliveryId, item.path), item.at) }]
        : []
    })
    const accounts = Map.groupBy(news, ({ received: { tenantId, item } }) => `${tenantId} ${item.wabaId}`)
    await atMost(accountsAtOnce, [...accounts.values()], async (all) => tell(all, leftover))
  }

  async function tell(all: readonly ReceivedNews[], leftover: Leftover): Promise<void> {
    try {
      await handlers.news(all)
    } catch (error) {
      if (!isPoison(error)) throw error
      const [first] = all
      if (first !== undefined && all.length === 1) leftover.failures.push(failureOf(first.received, error))
      else for (const one of all) await tell([one], leftover)
    }
  }

  async function addressesOf(items: readonly Received[], leftover: Leftover): Promise<ReadonlyMap<Received, Addressed>> {
    const addressed = new Map<Received, Addressed>()
    const written: Written[] = []
    for (const received of items) {
      const { tenantId, deliveryId, item } = received
      switch (item.kind) {
        case 'unreadable':
          leftover.failures.push({ tenantId, deliveryId, path: item.path, error: item.error, item: item.kind })
          break
        case 'contact':
        case 'news':
          break
        case 'message':
        case 'change':
        case 'recorded': {
          const channel = routes.channelOfNumber(item.phoneNumberId)
          if (channel?.tenantId === tenantId) written.push(writtenOn(channel.channelId, received, item))
          else leftover.unknownNumbers.push(received)
          break
        }
        case 'status': {
          const found = ofMessage({ ...received, item }, leftover)
          if (found !== undefined) addressed.set(received, { ...found, received })
          break
        }
        default:
          item satisfies never
      }
    }
    const people = peopleOfPage(written, ({ received, item }) => ({ tenantId: received.tenantId, persons: [item.person] }))
    await atMost(atOnce, people, async (person) => meetAll(person, addressed, leftover))
    return addressed
  }

  /** What one person wrote or did, on whichever channels: met once, then each in the conversation that they have on its channel. */
  async function meetAll(all: readonly Written[], addressed: Map<Received, Addressed>, leftover: Leftover): Promise<void> {
    const [first] = all
    if (first === undefined) return
    const { tenantId } = first.context
    try {
      const persons = distinct(all.map(({ item, context }) => ({ ...item.person, profileAt: item.person.profileAt ?? context.at.toISOString() })))
      const { contactId, isNew } = await meetContact(persons, 'inbound', first.context)
      for (const { received, item, channelId, context } of all) {
        const command = commandOf(item, { tenantId, channelId, contactId })
        addressed.set(received, { conversationId: conversationId(tenantId, channelId, contactId), isNew, received, command, context })
      }
    } catch (error) {
      if (!isPoison(error)) throw error
      if (all.length === 1) leftover.failures.push(failureOf(first.received, error))
      else for (const one of all) await meetAll([one], addressed, leftover)
    }
  }

  function ofMessage(received: ReceivedOf<StatusItem>, leftover: Leftover): Addressed | undefined {
    const { tenantId, deliveryId, item } = received
    const found = memory.find(tenantId, item.callbackId, item.report.providerId)
    if (found === undefined) {
      leftover.early.push({ tenantId, deliveryId, report: item.report })
      return undefined
    }
    const context = contextOf(received, derivedId('status', item.report.providerId, item.report.status), item.report.at)
    return { conversationId: found.conversationId, received, command: { type: 'recordStatus', messageId: found.messageId, ...item.report }, context }
  }

  async function applyTo(all: readonly Addressed[], leftover: Leftover): Promise<void> {
    const [first] = all
    if (first === undefined) return
    try {
      const { outcomes } = await commands.executeAll(conversation, first.conversationId, all, { unseen: first.isNew === true })
      for (const [index, outcome] of outcomes.entries()) {
        const one = all[index]
        if (one === undefined) continue
        if ('refused' in outcome) keepRefused(one, outcome.refused, leftover)
        else if (one.command.type === 'recordStatus' && saysStop(one.command.error))
          await stopMarketing(one.conversationId, one.command.at, one.context)
      }
    } catch (error) {
      if (!isPoison(error)) throw error
      if (all.length === 1) {
        leftover.failures.push(failureOf(first.received, error))
        return
      }
      for (const one of all) await applyTo([one], leftover)
    }
  }

  function keepRefused({ received, command }: Addressed, refused: string, leftover: Leftover): void {
    if (refused === 'unknown_message' && command.type === 'recordStatus') {
      const { type: _type, messageId: _messageId, ...report } = command
      leftover.early.push({ tenantId: received.tenantId, deliveryId: received.deliveryId, report })
    } else {
      leftover.failures.push(failureOf(received, new Error(refused)))
    }
  }
}

/** What a person wrote or did, on a channel of ours. */
type Written = {
  readonly received: Received
  readonly item: MessageItem | ChangeItem | RecordedItem
  readonly channelId: string
  readonly context: CommandContext
}

function writtenOn(channelId: string, received: Received, item: Written['item']): Written {
  const { providerId, at } = item.kind === 'change' ? item.change : item.message
  return { received, item, channelId, context: contextOf(received, derivedId(item.kind, channelId, providerId), at) }
}

/** The same words count once, with their last time: a thousand messages of one person say the same of them. */
function distinct(persons: readonly (Person & { profileAt: string })[]): readonly Person[] {
  if (persons.length === 1) return persons
  const last = new Map<string, Person & { profileAt: string }>()
  for (const person of persons) {
    const { profileAt, ...words } = person
    const key = JSON.stringify(words)
    const known = last.get(key)
    if (known === undefined || known.profileAt < profileAt) last.set(key, person)
  }
  return [...last.values()]
}

function commandOf(
  item: MessageItem | ChangeItem | RecordedItem,
  { tenantId, channelId, contactId }: { tenantId: string; channelId: string; contactId: string },
): ConversationCommand {
  const parties = { channelId, contactId }
  switch (item.kind) {
    case 'message':
      return { type: 'receive', ...parties, messageId: inboundMessageId(tenantId, channelId, item.message.providerId), ...item.message }
    case 'recorded': {
      const { origin, direction, message } = item
      const { entryPoint: _none, ...facts } = message
      return { type: 'recordMessage', ...parties, messageId: inboundMessageId(tenantId, channelId, message.providerId), origin, direction, ...facts }
    }
    case 'change':
      return { type: 'recordChange', ...parties, by: { kind: item.by }, change: item.change }
    default:
      return item satisfies never
  }
}

/** People and conversations dealt with at once: the store's queue is shared with the webhooks, which must still find room in it. */
const atOnce = 1_000
/** People whose news are heard at once. */
const peopleAtOnce = 200
const accountsAtOnce = 50
/** One append of a conversation: more would make a batch that nobody else fits into. */
const portion = { commands: 200, characters: 1_000_000 }

function* portions(all: readonly Addressed[]): Generator<readonly Addressed[]> {
  let part: Addressed[] = []
  let characters = 0
  for (const one of all) {
    const size = lengthOf(one.command)
    if (part.length > 0 && (part.length === portion.commands || characters + size > portion.characters)) {
      yield part
      part = []
      characters = 0
    }
    part.push(one)
    characters += size
  }
  if (part.length > 0) yield part
}

const lengthOf = (command: ConversationCommand): number =>
  command.type === 'receive' || command.type === 'recordMessage' ? command.content.length + (command.raw?.length ?? 0) : 0

const failureOf = ({ tenantId, deliveryId, item }: Received, error: unknown): Failure => ({
  tenantId,
  deliveryId,
  path: item.path,
  error: error instanceof Error ? error.message : 'unknown error',
  item: item.kind,
  ...('phoneNumberId' in item && item.phoneNumberId !== undefined && item.phoneNumberId !== '' ? { phoneNumberId: item.phoneNumberId } : {}),
})

/** The moment is the provider's, not ours: applied today or replayed in a year, the event says when it happened. */
const contextOf = ({ tenantId, deliveryId, causationId }: Received, commandId: string, at: string): CommandContext => ({
  tenantId,
  actor: { kind: 'provider', id: 'meta' },
  commandId,
  correlationId: deliveryId,
  causationId,
  at: new Date(at),
})
