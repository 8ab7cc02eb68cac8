import { useEffect, useRef } from "react";

/** A text field that is done at Enter or when left, and gives nothing at Escape. */
export function TitleField({
  value,
  label,
  onDone,
}: {
  value: string;
  label: string;
  onDone: (text: string | undefined) => void;
}) {
  const field = useRef<HTMLInputElement>(null);
  const done = useRef(false);
  useEffect(() => {
    field.current?.select();
  }, []);
  const finish = (text: string | undefined) => {
    if (!done.current) onDone(text);
    done.current = true;
  };
  return (
    <input
      ref={field}
      className="title-field nodrag"
      aria-label={label}
      defaultValue={value}
      onKeyDown={(event) => {
        event.stopPropagation();
        if (event.key === "Enter") finish(event.currentTarget.value);
        if (event.key === "Escape") finish(undefined);
      }}
      onBlur={(event) => finish(event.currentTarget.value)}
    />
  );
}
