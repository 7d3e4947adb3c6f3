//! On whose behalf a cache is asked, for backends in which several clients wait for the same few places.

use std::net::IpAddr;

use tokio::task::futures::TaskLocalFuture;

tokio::task_local! {
    static ASKER: Asker;
}

/// A client, as far as one is told from another: the network that it is in.
pub type Asker = Option<IpAddr>;

/// Asks on behalf of a client. Tasks that the future starts ask without one.
pub fn on_behalf_of<F: Future>(asker: Asker, question: F) -> TaskLocalFuture<Asker, F> {
    ASKER.scope(asker, question)
}

/// On whose behalf this is asked; `None` where that was not said.
#[must_use]
pub fn asker() -> Asker {
    ASKER.try_with(|asker| *asker).ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_question_knows_on_whose_behalf_it_is_asked() {
        let client = Some([192, 0, 2, 1].into());
        assert_eq!(on_behalf_of(client, async { asker() }).await, client);
        assert_eq!(asker(), None);
    }
}
