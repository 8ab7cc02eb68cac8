import { Fragment, type ReactNode } from "react";

/** The little of Markdown that notes use: headings, lists, quotes, code, bold, italic and links. Never raw HTML. */
export function Markdown({ text }: { text: string }) {
  return <div className="markdown">{blocks(text)}</div>;
}

function blocks(text: string): ReactNode[] {
  const parts = text
    .replace(/\r/g, "")
    .split(/(```[\s\S]*?```)|\n{2,}/)
    .filter((part) => part?.trim());
  return parts.map((part, i) => <Fragment key={`${i} ${part.length}`}>{block(part)}</Fragment>);
}

function block(part: string): ReactNode {
  if (part.startsWith("```")) return <pre>{part.replace(/^```\w*\n?|\n?```$/g, "")}</pre>;
  const lines = part.split("\n").filter((line) => line.trim());
  if (lines.length && lines.every((line) => /^\s*([-*]|\d+\.)\s/.test(line)))
    return (
      <ul>
        {lines.map((line) => (
          <li key={line}>{inline(line.replace(/^\s*([-*]|\d+\.)\s/, ""))}</li>
        ))}
      </ul>
    );
  return lines.map((line) => <Fragment key={line}>{paragraph(line)}</Fragment>);
}

function paragraph(line: string): ReactNode {
  const heading = /^#{1,6}\s+(.*)$/.exec(line);
  if (heading) return <h4>{inline(heading[1] ?? "")}</h4>;
  if (/^\s*([-*])\s/.test(line))
    return (
      <ul>
        <li>{inline(line.replace(/^\s*[-*]\s/, ""))}</li>
      </ul>
    );
  if (line.startsWith(">")) return <blockquote>{inline(line.slice(1).trim())}</blockquote>;
  return <p>{inline(line)}</p>;
}

function inline(text: string): ReactNode[] {
  return text.split(/(\*\*[^*]+\*\*|\*[^*]+\*|`[^`]+`|\[[^\]]+\]\(https?:[^)\s]+\))/).map((part, i) => {
    const key = `${i}${part}`;
    if (/^\*\*.+\*\*$/.test(part)) return <strong key={key}>{part.slice(2, -2)}</strong>;
    if (/^\*.+\*$/.test(part)) return <em key={key}>{part.slice(1, -1)}</em>;
    if (/^`.+`$/.test(part)) return <code key={key}>{part.slice(1, -1)}</code>;
    const link = /^\[([^\]]+)\]\((https?:[^)\s]+)\)$/.exec(part);
    if (link)
      return (
        <a key={key} href={link[2]} target="_blank" rel="noreferrer noopener">
          {link[1]}
        </a>
      );
    return <Fragment key={key}>{part}</Fragment>;
  });
}
