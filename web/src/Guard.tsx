import { Component, type ReactNode } from "react";

interface Props {
  readonly children: ReactNode;
  /** What is drawn; where it is another, there is another try. */
  readonly of?: string;
  /** What stands in the place of what could not be drawn. */
  readonly instead: (error: Error) => ReactNode;
}

/** Keeps an error in one part of the page from taking the rest with it. */
export class Guard extends Component<Props, { readonly error?: Error }> {
  override state: { readonly error?: Error } = {};

  static getDerivedStateFromError(error: unknown) {
    return { error: error instanceof Error ? error : new Error(String(error)) };
  }

  override componentDidUpdate(before: Props) {
    if (before.of !== this.props.of && this.state.error) this.setState({ error: undefined });
  }

  override render() {
    const { error } = this.state;
    return error ? this.props.instead(error) : this.props.children;
  }
}
