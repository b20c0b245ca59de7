/** What tests read from the project's pages: their code and their sentences. */
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export const root = join(import.meta.dirname, '../../..')

/** The pages, relative to the root. */
export const pages: readonly string[] = globSync(
  '{README,CONTRIBUTING,docs/*,docs/guides/*,docs/operations/*}.md',
  { cwd: root },
)

export function readPage(page: string): string {
  return readFileSync(join(root, page), 'utf8')
}

/** A fenced block of code. */
export interface Snippet {
  /** Of the first line inside the fence, counted from one. */
  readonly line: number
  readonly language: string
  /** What the HTML comment in the line above the fence says; empty without one. */
  readonly note: string
  readonly code: string
}

export function snippetsOf(text: string): Snippet[] {
  const snippets: Snippet[] = []
  const fence = /(?:^|\n)(?:<!-- (.*) -->\n)?```(\w*)\n([^]*?)\n```(?=\n|$)/g
  for (const { 0: whole, 1: note = '', 2: language, 3: code, index } of text.matchAll(fence)) {
    const before = text.slice(0, index + whole.indexOf('```'))
    snippets.push({ line: before.split('\n').length + 1, language: language!, note, code: code! })
  }
  return snippets
}

/** The sentences of a page's prose by the section they stand in; headings, code and tables left out. */
export function sentencesOf(
  text: string,
): { readonly section: string; readonly sentence: string }[] {
  const withoutCode = text.replace(/```[^]*?\n```/g, '').replace(/<!--[^]*?-->/g, '')
  return withoutCode.split(/^#+ /m).flatMap((part) => {
    const [section = '', ...lines] = part.split('\n')
    return lines
      .join('\n')
      .split(/\n\n+/)
      .map((paragraph) => paragraph.replace(/\s+/g, ' ').trim())
      .filter((paragraph) => paragraph !== '' && !paragraph.startsWith('|'))
      .flatMap((paragraph) => paragraph.split(/(?<=[.:;]) (?=[A-Z`]|stream–)/))
      .map((sentence) => ({ section, sentence }))
  })
}
