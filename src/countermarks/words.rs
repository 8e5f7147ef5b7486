//! Refusals as booksellers' software and booksellers read them.
//!
//! Pure. Codes are stable. No sentence tells more than the code: neither whose a countermark is, nor when, nor for what.

use crate::passculture::TokenRefusal;

/// Why something was not done with a countermark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// None of this venue's.
    NotFound,
    /// Its beneficiary may still give it back.
    NotYetUsable,
    /// It was validated otherwise.
    AlreadyUsed,
    /// It was validated by this venue itself.
    UsedHere,
    /// It was validated, so it cannot be cancelled as it is.
    UsedKeepFirst,
    /// It was cancelled otherwise.
    AlreadyCancelled,
    /// Validated or cancelled; nobody here knows which.
    NoLongerValid,
    /// The venue was paid for it.
    Reimbursed,
    /// pass Culture does not let it be validated.
    NotAllowed,
    /// It is not validated, so there is nothing to take back.
    NotUsed,
    /// It is validated and stays so (it has an activation code).
    CannotBeKept,
    /// It can no longer be cancelled.
    CannotBeCancelled,
    /// Nobody here knows whose it is, so nothing is changed.
    OnlyInThePortal,
    /// Others move it at the same time.
    Contended,
    /// pass Culture does not answer.
    Unreachable,
    /// pass Culture did not answer in time.
    TooSlow,
    /// Too many requests of this venue's software.
    TooManyRequests,
    /// Too many requests: pass Culture's limit is reached.
    Throttled,
    /// pass Culture does not accept the account, or its address is wrong.
    AccountRefused,
    /// pass Culture's answer means nothing here.
    UnclearAnswer,
    /// Our own store does not answer.
    StoreUnavailable,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Self; 21] = [
        Self::NotFound,
        Self::NotYetUsable,
        Self::AlreadyUsed,
        Self::UsedHere,
        Self::UsedKeepFirst,
        Self::AlreadyCancelled,
        Self::NoLongerValid,
        Self::Reimbursed,
        Self::NotAllowed,
        Self::NotUsed,
        Self::CannotBeKept,
        Self::CannotBeCancelled,
        Self::OnlyInThePortal,
        Self::Contended,
        Self::Unreachable,
        Self::TooSlow,
        Self::TooManyRequests,
        Self::Throttled,
        Self::AccountRefused,
        Self::UnclearAnswer,
        Self::StoreUnavailable,
    ];

    /// What pass Culture's refusal is, where nothing more is known.
    #[must_use]
    pub const fn of(refusal: TokenRefusal) -> Self {
        match refusal {
            TokenRefusal::NotFound => Self::NotFound,
            TokenRefusal::NotYet => Self::NotYetUsable,
            TokenRefusal::NotAllowed => Self::NotAllowed,
            TokenRefusal::Used => Self::AlreadyUsed,
            TokenRefusal::Cancelled => Self::AlreadyCancelled,
            TokenRefusal::Ended => Self::NoLongerValid,
            TokenRefusal::Reimbursed => Self::Reimbursed,
            TokenRefusal::NotUsed => Self::NotUsed,
            TokenRefusal::TooLate => Self::CannotBeCancelled,
        }
    }

    /// Stable code, HTTP status, English sentence, French sentence.
    const fn row(self) -> (&'static str, u16, &'static str, &'static str) {
        match self {
            Self::NotFound => (
                "CountermarkNotFound",
                404,
                "this venue has no such countermark; check what was typed",
                "Contremarque introuvable pour ce lieu : vérifiez la saisie.",
            ),
            Self::NotYetUsable => (
                "NotYetUsable",
                403,
                "its beneficiary may still cancel; it can be validated once that time is over",
                "Cette contremarque n'est pas encore validable : le délai d'annulation du bénéficiaire court toujours.",
            ),
            Self::AlreadyUsed => (
                "AlreadyUsed",
                410,
                "it was validated before, and not by a call of this venue that this gateway remembers",
                "Cette contremarque a déjà été validée : ne remettez rien sans vérifier sur le portail pass Culture.",
            ),
            // The same code: it is used, whoever did it.
            Self::UsedHere => (
                "AlreadyUsed",
                410,
                "it was validated before, by a call of this venue",
                "Cette contremarque a déjà été validée, par votre logiciel : ne remettez pas l'article une seconde fois.",
            ),
            Self::UsedKeepFirst => (
                "UsedKeepFirst",
                409,
                "it is validated; un-validate it with /keep before cancelling",
                "Cette contremarque est validée : annulez d'abord la validation, puis la réservation.",
            ),
            Self::AlreadyCancelled => (
                "AlreadyCancelled",
                410,
                "its booking was cancelled",
                "La réservation de cette contremarque a été annulée : ne remettez rien.",
            ),
            Self::NoLongerValid => (
                "NoLongerValid",
                410,
                "it was validated or cancelled before; the pass Culture portal tells which",
                "Cette contremarque n'est plus valable (validée ou annulée) : vérifiez sur le portail pass Culture.",
            ),
            Self::Reimbursed => (
                "Reimbursed",
                403,
                "it was validated and paid for; nothing can be changed any more",
                "Cette contremarque a déjà été validée et remboursée : elle n'est plus modifiable.",
            ),
            Self::NotAllowed => (
                "NotAllowed",
                403,
                "pass Culture does not let it be validated; see the pass Culture portal",
                "pass Culture ne permet pas de valider cette contremarque : voyez le portail pass Culture.",
            ),
            Self::NotUsed => (
                "NotUsed",
                409,
                "it is not validated, so there is no validation to take back",
                "Cette contremarque n'est pas validée : il n'y a pas de validation à annuler.",
            ),
            Self::CannotBeKept => (
                "CannotBeKept",
                403,
                "pass Culture does not take this validation back (it has an activation code)",
                "La validation de cette contremarque ne peut pas être annulée (code d'activation).",
            ),
            Self::CannotBeCancelled => (
                "CannotBeCancelled",
                403,
                "its booking can no longer be cancelled; it can be validated",
                "Cette réservation ne peut plus être annulée ; la contremarque reste valable.",
            ),
            Self::OnlyInThePortal => (
                "OnlyInThePortal",
                403,
                "this gateway does not know whose it is, so nothing was changed; do it in the pass Culture portal",
                "Rien n'a été modifié : la passerelle ne sait pas si cette contremarque est la vôtre. Passez par le portail pass Culture.",
            ),
            Self::Contended => (
                "Contended",
                503,
                "other requests move it at the same time; repeat the request",
                "Plusieurs demandes portent sur cette contremarque : recommencez.",
            ),
            Self::Unreachable => (
                "PassCultureUnavailable",
                503,
                "pass Culture does not answer; nothing is known to be done, and repeating the request does no harm",
                "pass Culture ne répond pas : rien n'est confirmé. Recommencez, sans risque de double validation.",
            ),
            Self::TooSlow => (
                "PassCultureTooSlow",
                504,
                "pass Culture did not answer in time; nothing is known to be done, and repeating the request does no harm",
                "pass Culture tarde à répondre : rien n'est confirmé. Recommencez, sans risque de double validation.",
            ),
            Self::TooManyRequests => (
                "TooManyRequests",
                429,
                "this venue's software asks too often; nothing was done: repeat after Retry-After, and not in a loop",
                "Votre logiciel envoie trop de demandes : rien n'a été fait. Patientez quelques secondes puis recommencez.",
            ),
            Self::Throttled => (
                "PassCultureThrottled",
                503,
                "the account's requests to pass Culture are used up for the moment; repeat after Retry-After",
                "Trop de demandes à pass Culture en ce moment : patientez puis recommencez.",
            ),
            Self::AccountRefused => (
                "AccountRefused",
                502,
                "pass Culture does not accept the gateway's account; its operator must see to it",
                "pass Culture refuse la passerelle : prévenez votre prestataire, et validez sur le portail pass Culture.",
            ),
            Self::UnclearAnswer => (
                "UnclearAnswer",
                502,
                "pass Culture's answer is not understood, so nothing is claimed; see the pass Culture portal",
                "La réponse de pass Culture n'est pas comprise : vérifiez sur le portail pass Culture.",
            ),
            Self::StoreUnavailable => (
                "StoreUnavailable",
                503,
                "the gateway's store does not answer; repeat the request",
                "La passerelle est momentanément indisponible : recommencez.",
            ),
        }
    }

    /// Stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        self.row().0
    }

    /// HTTP status.
    #[must_use]
    pub const fn status(self) -> u16 {
        self.row().1
    }

    /// For whoever writes or runs the venue's software.
    #[must_use]
    pub const fn message(self) -> &'static str {
        self.row().2
    }

    /// For the bookseller.
    #[must_use]
    pub const fn message_fr(self) -> &'static str {
        self.row().3
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_are_unique_but_for_who_used_it_and_every_sentence_says_something() {
        let codes: BTreeSet<&str> = Refusal::ALL.into_iter().map(Refusal::code).collect();
        assert_eq!(codes.len(), Refusal::ALL.len() - 1);
        assert_eq!(Refusal::UsedHere.code(), Refusal::AlreadyUsed.code());
        let sentences: BTreeSet<&str> = Refusal::ALL.into_iter().map(Refusal::message).collect();
        assert_eq!(sentences.len(), Refusal::ALL.len());
        for refusal in Refusal::ALL {
            assert!(refusal.message().len() > 20 && refusal.message_fr().len() > 20, "{refusal:?}");
            assert!((400..600).contains(&refusal.status()), "{refusal:?}");
        }
    }
}
