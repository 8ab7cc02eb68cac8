import { Copy } from "lucide-react";
import type { HistoryEntry, ImageRef } from "../api/rest";
import { duration } from "../model/duration";
import { asNumber, isObject } from "../model/json";
import { endingOf } from "../model/queue";
import type { Size } from "../model/zoom";
import { writeClipboard } from "../store/clipboard";
import { report, toast } from "../store/ui";
import { when } from "./when";

interface Props {
  readonly entry: HistoryEntry;
  readonly image: ImageRef;
  readonly size: Size | undefined;
}

const LONG = 24;

/** What is known of a picture: its file, and the plain values of each node that ran. */
export function Facts({ entry, image, size }: Props) {
  const { ms } = endingOf(entry.status);
  const made = Math.max(0, ...entry.status.messages.map(([, data]) => asNumber(data.timestamp)));
  return (
    <aside className="facts" aria-label="How it was made">
      <section>
        <h3>File</h3>
        <dl>
          <Fact name="name" value={[image.subfolder, image.filename].filter(Boolean).join("/")} />
          {size && <Fact name="size" value={`${size.width} × ${size.height}`} />}
          {made > 0 && <Fact name="made" value={when(made)} />}
          {ms !== undefined && <Fact name="took" value={duration(ms)} />}
        </dl>
      </section>
      {Object.entries(entry.prompt).map(([id, node]) => {
        const values = Object.entries(node.inputs).filter(([, value]) => !Array.isArray(value) && !isObject(value));
        if (!values.length) return null;
        return (
          <section key={id}>
            <h3>{node._meta?.title ?? node.class_type}</h3>
            <dl>
              {values.map(([name, value]) => (
                <Fact key={name} name={name} value={String(value)} copied={/seed/i.test(name)} />
              ))}
            </dl>
          </section>
        );
      })}
    </aside>
  );
}

/** A value; what is long or a seed can be copied. */
function Fact({ name, value, copied = false }: { name: string; value: string; copied?: boolean }) {
  const copy = () => writeClipboard(value).then(() => toast(`Copied ${name}.`), report);
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        {value}
        {(copied || value.length > LONG) && (
          <button type="button" className="icon" title="Copy" aria-label={`Copy ${name}`} onClick={() => void copy()}>
            <Copy size={12} />
          </button>
        )}
      </dd>
    </div>
  );
}
