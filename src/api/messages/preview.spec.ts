import { describe, expect, it } from 'vitest'
import { preview } from './preview.ts'

describe('the preview of a message', () => {
  it('is the text on one line', () => {
    expect(preview('text', { text: { body: 'Hola,\n  quiero   visitar el piso' } })).toBe('Hola, quiero visitar el piso')
  })
  it('is an icon and the caption for a picture', () => {
    expect(preview('image', { image: { id: '1', caption: 'La fachada' } })).toBe('📷 La fachada')
  })
  it('names the type of a picture without a caption', () => {
    expect(preview('image', { image: { id: '1' } })).toBe('📷 image')
  })
  it('is the button that the customer chose', () => {
    expect(preview('interactive', { interactive: { type: 'button_reply', button_reply: { id: 'y', title: 'Sí' } } })).toBe('Sí')
  })
  it('is what WhatsApp says of a form that was filled in, and of a number that changed', () => {
    expect(preview('interactive', { interactive: { type: 'nfm_reply', nfm_reply: { name: 'flow', body: 'Sent' } } })).toBe('Sent')
    expect(preview('system', { system: { type: 'user_changed_number', body: 'Ana has a new number' } })).toBe('Ana has a new number')
  })
  it('is the body of the question that was asked with buttons', () => {
    expect(preview('interactive', { interactive: { type: 'button', body: { text: '¿Vienes?' } } })).toBe('¿Vienes?')
  })
  it('is the name of a type that Recado does not know', () => {
    expect(preview('hologram', { hologram: { depth: 3 } })).toBe('hologram')
  })
  it('survives content that is not what its type promises', () => {
    expect(preview('text', { text: null })).toBe('text')
    expect(preview('contacts', { contacts: 'nobody' })).toBe('👤 contacts')
  })
  it('is cut at 120 characters, never inside an emoji', () => {
    const cut = preview('text', { text: { body: '🏠'.repeat(200) } })
    expect(Array.from(cut)).toHaveLength(120)
    expect(cut.endsWith('🏠…')).toBe(true)
  })
})
