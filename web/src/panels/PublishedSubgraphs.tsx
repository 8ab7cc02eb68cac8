import { Trash2, Workflow } from "lucide-react";
import { useEffect } from "react";
import { addPublished, loadPublished, removePublished, usePublished } from "../store/subgraphs";

/** Subgraphs that were kept for other workflows. */
export function PublishedSubgraphs({ filter }: { filter: string }) {
  const list = usePublished((state) => state.list);
  useEffect(() => void loadPublished(), []);
  const shown = list.filter((one) => one.name.toLowerCase().includes(filter.trim().toLowerCase()));
  if (!shown.length) return null;
  return (
    <section className="own-nodes" aria-label="Subgraphs">
      <h3>Subgraphs</h3>
      {shown.map((one) => (
        <div className="library-node" key={one.path ?? one.id}>
          <button type="button" className="library-add" onClick={() => void addPublished(one)}>
            <Workflow size={14} aria-hidden />
            {one.name}
          </button>
          {one.path !== undefined && (
            <button
              type="button"
              className="icon"
              aria-label={`Take ${one.name} out of the library`}
              onClick={() => void removePublished(one)}
            >
              <Trash2 size={14} />
            </button>
          )}
        </div>
      ))}
    </section>
  );
}
