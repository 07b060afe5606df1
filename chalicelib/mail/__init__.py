"""Letters: which change calls for which one, what it says, how it is sent, and the feedback of SES."""
