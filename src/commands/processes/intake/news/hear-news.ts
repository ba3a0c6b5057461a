import { account, accountId, type HearNews as HearNewsCommand } from '../../../../domain/account/account.ts'
import { channel } from '../../../../domain/channel/channel.ts'
import type { NumberFacts } from '../../../../domain/channel/events.ts'
import type { CommandContext } from '../../../../domain/kernel/context.ts'
import type { Vault } from '../../../../domain/kernel/vault.ts'
import type { RaiseAlert, SettleAlert } from '../../../alerts/alerts.ts'
import type { Directory } from '../../../directory/directory.ts'
import type { Commands } from '../../../kernel/execute.ts'
import { step } from '../../../kernel/step.ts'
import type { IntakeHandlers, ReceivedNews } from '../apply-items.ts'
import type { NewsItem } from '../meta/items.ts'
import { meaningOf, type Meaning } from './meaning.ts'
import { peopleOf, textIn } from './read.ts'

type Hear = (received: ReceivedNews['received'], context: CommandContext) => Promise<void>

/** These are told by the templates themselves. */
const templateFields: ReadonlySet<string> = new Set([
  'message_template_status_update',
  'message_template_quality_update',
  'message_template_components_update',
  'template_category_update',
  'template_correct_category_detection',
])

/**
 * News of an account or its numbers: kept (once, however often it comes), then what follows from it for the channels, then alerts.
 * Each of the three may be repeated: a crash between two of them ends in the same page again. What follows is decided by the moment that Meta names,
 * so a repeat a week later, or an older piece of news that was overtaken, changes nothing.
 */
export function createHearNews({
  commands,
  vault,
  directory,
  raiseAlert,
  settleAlert,
  templates,
}: {
  commands: Commands
  vault: Pick<Vault, 'ensure' | 'blindIndex'>
  directory: Pick<Directory, 'channelsOf'>
  raiseAlert: RaiseAlert
  settleAlert: SettleAlert
  /** Who keeps what is said of templates; without it that is kept as news like everything else. */
  templates?: Hear | undefined
}): IntakeHandlers['news'] {
  return async (all) => {
    await keep(all.filter(({ received }) => !isOfTemplate(received.item)))
    for (const { received, context } of all) {
      if (templates !== undefined && isOfTemplate(received.item)) await templates(received, context)
      else await follow(received.item, context)
    }
  }

  function isOfTemplate({ field }: NewsItem): boolean {
    return templates !== undefined && templateFields.has(field)
  }

  async function follow(item: NewsItem, context: CommandContext): Promise<void> {
    const meaning = meaningOf(item.field, item.value)
    if (Object.keys(meaning).length === 0) return
    const ours = directory.channelsOf(context.tenantId).filter(({ wabaId }) => wabaId === item.wabaId)
    const concerned = await channelOf(item, ours, context)
    await warn(meaning, item, concerned, context)
    if (meaning.number !== undefined && concerned !== undefined) await tell(concerned, meaning.number, item, context)
    if (meaning.account !== undefined) {
      for (const { channelId } of ours) {
        await watchLimit(channelId, meaning.account, item, context)
        await tell(channelId, meaning.account, item, context)
      }
    }
  }

  /** Many in one append: clicks on a campaign come by the thousand, and one after the other they were 400 in a second, with everybody else's messages behind them. */
  async function keep(all: readonly ReceivedNews[]): Promise<void> {
    const [first] = all
    if (first === undefined) return
    const { tenantId } = first.context
    await vault.ensure(tenantId, [])
    for (const part of portions(all)) {
      const commandsOf = part.map(({ received, context }) => ({ command: heard(received.item, tenantId), context: step(context, 'hear') }))
      await commands.executeAll(account, accountId(tenantId, first.received.item.wabaId), commandsOf)
    }
  }

  function heard({ wabaId, field: said, phoneNumberId, value, at, dated }: NewsItem, tenantId: string): HearNewsCommand {
    const field = textIn(said) ?? 'unknown'
    const text = JSON.stringify(value)
    // Where Meta names no moment, ours is another one at every repeat.
    const key = vault.blindIndex(tenantId, 'news', `${field} ${dated === true ? at : ''} ${text}`)
    return { type: 'hear', wabaId, key, field, event: textIn(value, 'event'), phoneNumberId, value: text, at }
  }

  /** The channel of ours that the news are about: by Meta's id of the number, else by the number as people read it. */
  async function channelOf(
    { phoneNumberId, value }: NewsItem,
    ours: readonly { readonly channelId: string; readonly phoneNumberId: string }[],
    { tenantId }: CommandContext,
  ): Promise<string | undefined> {
    const byId = ours.find((one) => one.phoneNumberId === (phoneNumberId ?? textIn(value, 'entity_id')))
    if (byId !== undefined) return byId.channelId
    const shown = digitsOf(textIn(value, 'display_phone_number'))
    if (shown === '') return undefined
    for (const { channelId } of ours) {
      const { state } = await commands.load(channel, tenantId, channelId)
      if (digitsOf(state.facts.displayPhone) === shown) return channelId
    }
    return undefined
  }

  async function tell(channelId: string, facts: NumberFacts, { field, at }: NewsItem, context: CommandContext): Promise<void> {
    // A channel that was removed meanwhile refuses, and that is all right.
    await commands.execute(channel, channelId, { type: 'tell', facts, reason: field, at }, step(context, `tell ${channelId}`))
  }

  async function warn(
    { raise = [], settle = [] }: Meaning,
    { wabaId }: NewsItem,
    channelId: string | undefined,
    context: CommandContext,
  ): Promise<void> {
    const entity = channelId === undefined ? { type: 'account', id: wabaId } : { type: 'channel', id: channelId }
    const keyOf = (code: string, which: string | undefined): string => [code, entity.id, ...(which === undefined ? [] : [which])].join(':')
    for (const { which, ...trouble } of raise) await raiseAlert({ ...trouble, key: keyOf(trouble.code, which), entity, again: true }, context)
    for (const { code, which } of settle) await settleAlert({ key: keyOf(code, which), reason: 'Meta says that it is over', ahead: true }, context)
  }

  /** Before the new limit is noted: what it was is needed, also when this is the second try after a crash. */
  async function watchLimit(channelId: string, { messagingLimit }: NumberFacts, { at }: NewsItem, context: CommandContext): Promise<void> {
    if (messagingLimit === undefined) return
    const { state } = await commands.load(channel, context.tenantId, channelId)
    const { messagingLimit: before } = state.facts
    if (before === undefined || at <= (state.told.messagingLimit ?? '')) return
    const [was, is] = [peopleOf(before), peopleOf(messagingLimit)]
    if (was === undefined || is === undefined || was === is) return
    const key = `messaging_limit_lowered:${channelId}`
    const entity = { type: 'channel', id: channelId }
    if (is > was) return settleAlert({ key, reason: `The limit is ${messagingLimit} now` }, context)
    const title = `The messaging limit was lowered from ${before} to ${messagingLimit}`
    const detail = 'The account may write to fewer people a day who did not write first. Quality and fewer complaints raise it again.'
    await raiseAlert({ key, code: 'messaging_limit_lowered', severity: 'warning', title, detail, entity, again: true }, context)
  }
}

const digitsOf = (phone: string | undefined): string => phone?.replaceAll(/\D/g, '') ?? ''

/** News of one append. A piece may be as long as a delivery is. */
const portion = { news: 200, characters: 1_000_000 }

function* portions(all: readonly ReceivedNews[]): Generator<readonly ReceivedNews[]> {
  let part: ReceivedNews[] = []
  let characters = 0
  for (const one of all) {
    const size = JSON.stringify(one.received.item.value).length
    if (part.length > 0 && (part.length === portion.news || characters + size > portion.characters)) {
      yield part
      part = []
      characters = 0
    }
    part.push(one)
    characters += size
  }
  if (part.length > 0) yield part
}
