import { SealBroken, type Vault } from '../../domain/kernel/vault.ts'
import { media, subjectOf } from '../../domain/media/media.ts'
import { unfitFor, type MediaKind } from '../../domain/media/rules.ts'
import type { DefinitionMistake } from '../../domain/template/definition.ts'
import type { TemplateDefinition } from '../../domain/template/events.ts'
import type { Commands } from '../kernel/execute.ts'
import { openSealed } from '../media/sealed-file.ts'
import type { CallResult, CloudApiAccount } from '../ports/cloud-api.ts'
import type { MediaApi } from '../ports/media-api.ts'
import type { MediaStore } from '../ports/media-store.ts'

export type TemplateSamples = {
  /** What is wrong with the files of ours that a definition names as samples. */
  readonly mistakes: (tenantId: string, definition: TemplateDefinition) => Promise<readonly DefinitionMistake[]>
  /** The definition as Meta takes it: files of ours uploaded, and their handles in the place of their ids. */
  readonly handedOver: (account: CloudApiAccount, tenantId: string, definition: TemplateDefinition) => Promise<CallResult<TemplateDefinition>>
}

type Loose = Readonly<Record<string, unknown>>
type Sample = { readonly path: readonly (string | number)[]; readonly mediaId: string; readonly kind: MediaKind }

/** Meta's handles begin with a number and a colon; ids of ours are uuids, so the two cannot be taken for each other. */
const ourId = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i
const kindOfFormat: Readonly<Record<string, MediaKind>> = { IMAGE: 'image', VIDEO: 'video', GIF: 'video', DOCUMENT: 'document' }
/** Narrower than what may be sent: what the upload of samples takes. */
const sampleTypes: ReadonlySet<string> = new Set(['image/jpeg', 'image/png', 'video/mp4', 'application/pdf'])

/**
 * A media header is submitted with a sample, which Meta wants as the handle of an upload of its own kind, not as the id of a file that was uploaded for
 * sending. Whoever submits names a file of ours; on record stays that name, so that the same wish is the same wish, and every call has a fresh handle.
 */
export function createTemplateSamples({
  commands,
  vault,
  store,
  mediaApi,
}: {
  commands: Pick<Commands, 'load'>
  vault: Vault
  store: Pick<MediaStore, 'read'>
  mediaApi: Pick<MediaApi, 'uploadSample'>
}): TemplateSamples {
  async function upload(account: CloudApiAccount, tenantId: string, { mediaId }: Sample): Promise<CallResult<string>> {
    const { state } = await commands.load(media, tenantId, mediaId)
    const gone = { error: { code: 0, status: 410, message: 'The file of the sample is not here any more' } }
    if (state.file === undefined) return gone
    const { storageKey, size, mimeType } = state.file
    const sealed = { tenantId, mediaId, subject: subjectOf(mediaId, state.announced?.contactId), part: 'file', storageKey, size } as const
    const opened = await openSealed({ store, vault }, sealed).catch((error: unknown) => {
      if (error instanceof SealBroken) return undefined
      throw error
    })
    if (opened === undefined || !('bytes' in opened)) return gone
    return mediaApi.uploadSample(account, { mimeType, filename: 'sample', size, bytes: opened.bytes })
  }

  return {
    async mistakes(tenantId, definition) {
      const found: DefinitionMistake[] = []
      for (const { path, mediaId, kind } of samplesIn(definition)) {
        const { state } = await commands.load(media, tenantId, mediaId)
        const say = (message: string): void => void found.push({ path, message })
        if (state.file === undefined) say('is no file of this organisation: upload it by POST /v1/media')
        else {
          const unfit = unfitFor(kind, state.file)
          if (unfit !== undefined) say(unfit.message)
          else if (!sampleTypes.has(state.file.mimeType)) say(`must be a sample of type ${[...sampleTypes].join(', ')}`)
        }
      }
      return found
    },
    async handedOver(account, tenantId, definition) {
      const handles = new Map<string, string>()
      for (const sample of samplesIn(definition)) {
        if (handles.has(sample.mediaId)) continue
        const answer = await upload(account, tenantId, sample)
        if (!('ok' in answer)) return answer
        handles.set(sample.mediaId, answer.ok)
      }
      return { ok: handles.size === 0 ? definition : { ...definition, components: withHandles(definition.components, handles) } }
    },
  }
}

/** In headers, and in those of the cards of a carousel. */
function samplesIn({ components }: Pick<TemplateDefinition, 'components'>): readonly Sample[] {
  const within = (list: unknown, at: readonly (string | number)[]): Sample[] =>
    objects(list).flatMap(([component, index]) => {
      const path = [...at, index]
      const inCards = objects(component['cards']).flatMap(([card, nth]) => within(card['components'], [...path, 'cards', nth, 'components']))
      const kind = kindOfFormat[upper(component['format'])]
      const handle = handleOf(component)
      if (upper(component['type']) !== 'HEADER' || kind === undefined || handle === undefined || !ourId.test(handle)) return inCards
      return [...inCards, { path: [...path, 'example', 'header_handle'], mediaId: handle.toLowerCase(), kind }]
    })
  return within(components, ['components'])
}

function withHandles(components: TemplateDefinition['components'], handles: ReadonlyMap<string, string>): TemplateDefinition['components'] {
  const exchanged = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(exchanged)
    if (!isObject(value)) return value
    const inside = Object.fromEntries(Object.entries(value).map(([name, part]) => [name, exchanged(part)]))
    const handle = handles.get(handleOf(value)?.toLowerCase() ?? '')
    return handle === undefined || upper(value['type']) !== 'HEADER'
      ? inside
      : { ...inside, example: { ...(inside['example'] as Loose), header_handle: [handle] } }
  }
  return components.map((component) => exchanged(component)) as TemplateDefinition['components']
}

function handleOf(component: Loose): string | undefined {
  const example = component['example']
  const handles = isObject(example) ? example['header_handle'] : undefined
  const first: unknown = Array.isArray(handles) ? handles[0] : undefined
  return typeof first === 'string' ? first : undefined
}

const upper = (value: unknown): string => (typeof value === 'string' ? value.toUpperCase() : '')
const isObject = (value: unknown): value is Loose => typeof value === 'object' && value !== null && !Array.isArray(value)
const objects = (list: unknown): readonly (readonly [Loose, number])[] =>
  Array.isArray(list) ? list.flatMap((one: unknown, index) => (isObject(one) ? [[one, index] as const] : [])) : []
